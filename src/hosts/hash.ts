import { createHash } from 'node:crypto';
import type { RequestHead } from '../base/request-head';
import { originFormOf } from '../base/target';
import type { Host } from './host';

/** Where a handshake has the value that its host is chosen by. */
export type HashKey = `${'query' | 'header' | 'cookie'}:${string}`;

/** A parameter may have any name; those of fields and cookies are tokens (RFC 9110 §5.6.2, RFC 6265 §4.1.1). */
const KEY = /^(?:query:.+|(?:header|cookie):[!#$%&'*+.^_`|~0-9a-z-]+)$/is;

/** One more than the largest integer of 32 bits. */
const RANGE = 2 ** 32;

const seeds = new WeakMap<Host, number>();

export function isHashKey(value: unknown): value is HashKey {
  return typeof value === 'string' && KEY.test(value);
}

/** The value that the key names; `undefined` where the request has none, or an empty one. */
export function createReader(key: HashKey): (request: RequestHead) => string | undefined {
  const colon = key.indexOf(':');
  const name = key.slice(colon + 1);
  switch (key.slice(0, colon)) {
    case 'query': return ({ url = '' }) => parameterOf(originFormOf(url), name);
    case 'cookie': return ({ headers }) => cookieOf(headers.cookie ?? '', name);
    default: {
      const field = name.toLowerCase();
      return ({ headers }) => {
        // Not what every object has.
        const value = Object.hasOwn(headers, field) ? headers[field] : undefined;
        return given(Array.isArray(value) ? value.join() : value);
      };
    }
  }
}

/**
 * Chooses by weighted rendezvous hashing: of all hosts the one with the highest score for this value. Every proxy with
 * the same hosts chooses the same one. A host that comes, goes, or gets another share moves no other host's values but
 * those that it takes or leaves.
 */
export function chosenBy(value: string, hosts: readonly Host[]): Host | undefined {
  const seed = seedOf(value);
  let best: Host | undefined;
  let most = -Infinity;
  for (const host of hosts) {
    // Above 0 and below 1, so that the logarithm is finite, and not 0.
    const score = -host.share / Math.log((mixed(seed ^ seedOfHost(host)) + 0.5) / RANGE);
    if (score <= most) continue;
    best = host;
    most = score;
  }
  return best;
}

function seedOfHost(host: Host): number {
  let seed = seeds.get(host);
  if (seed === undefined) seeds.set(host, seed = seedOf(host.name));
  return seed;
}

function seedOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE();
}

/** Spreads 32 bits evenly: the end of MurmurHash3. */
function mixed(bits: number): number {
  let hash = bits;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function parameterOf(url: string, name: string): string | undefined {
  const query = url.indexOf('?');
  return query === -1 ? undefined : given(new URLSearchParams(url.slice(query + 1)).get(name));
}

function cookieOf(field: string, name: string): string | undefined {
  for (const pair of field.split(';')) {
    const equals = pair.indexOf('=');
    if (equals !== -1 && pair.slice(0, equals).trim() === name) return given(pair.slice(equals + 1).trim());
  }
  return undefined;
}

function given(value: string | null | undefined): string | undefined {
  return value === null || value === '' ? undefined : value;
}
