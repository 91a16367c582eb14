import { isObject } from '../base/checks';

/** What a member shows of one of its hosts. */
export interface HostShown {
  readonly host: string;
  readonly state: 'checking' | 'up' | 'down';
  readonly sessions: number;
  readonly tunnels: number;
  readonly polls: number;
  /** In the time since the beat before. */
  readonly handshakesPerSecond: number;
  /** The host is draining, and nothing is left there that the member knows of, nor of those that are gone. */
  readonly idle: boolean;
  /** Hashes of its sids that are in the member's sample. */
  readonly sids: Int32Array;
  /** How long a session there may go on that nobody uses, in ms; 0 where an older version does not say so. */
  readonly life: number;
}

/** A session that was ended through a member. */
export interface EndedShown {
  readonly sid: string;
  /** How long before the member showed itself, in ms. */
  readonly ago: number;
}

/** What sessions depend on: proxies that spell it differently do not find each other's. */
export interface Spelling {
  /** A digest of the names of the hosts that it has, or of the name to discover them by. */
  readonly hosts: string;
  readonly path: string;
  readonly keyPrefix: string;
}

/** What a member shows of itself. */
export interface MemberRecord {
  /** The package's version. */
  readonly version: string;
  /** How long the member has run, in ms. */
  readonly age: number;
  /** How often the member shows itself, in ms. */
  readonly interval: number;
  readonly ready: boolean;
  /** The number of processes that serve. */
  readonly workers: number;
  /** What all members must spell the same. */
  readonly spelling: Spelling;
  /** The revision of the registers that the member knows. */
  readonly revision: string;
  readonly hosts: readonly HostShown[];
  /** The level of the sample of sids: see `SidSample`. */
  readonly level: number;
  /** The hosts of the member's own configuration that it does not use, because the fleet has removed them. */
  readonly without: readonly string[];
  /** Sessions that were ended through it a moment ago: others may know them, too. */
  readonly ended: readonly EndedShown[];
  /** The member shares the rate of handshakes. */
  readonly sharing: boolean;
  /** The member has ended. */
  readonly left: boolean;
}

/** The longest interval that is believed, in ms: else a mistaken record would stay for ever. */
const MAX_INTERVAL = 20_000;

/** How many sessions that have ended a member shows at most. */
export const MOST_ENDED = 100;

/** The highest level of a sample: no hash has more leading zeros. */
const MAX_LEVEL = 32;

/** The largest number that is believed: also of ms, so that what is reckoned from it is a date. */
const MAX_COUNT = 1e12;

/** The longest that a session is waited for that only a vanished member knew, in ms: a day. */
const MAX_LIFE = 86_400_000;

const STATES = ['checking', 'up', 'down'] as const;

/**
 * A member's record as JSON. Hosts are lists, since each member reads those of all others. The first field is for the
 * script of a beat, which looks for it there: how long the record is needed where the member is silent, in ms.
 */
export function textOfRecord({ hosts, ended, ...rest }: MemberRecord): string {
  return JSON.stringify({
    keep: Math.max(0, ...hosts.map((host) => lifeOf(host, rest.left))),
    ...rest,
    ended: ended.map(({ sid, ago }) => [sid, Math.floor(ago)]),
    hosts: hosts.map(({ host, state, sessions, tunnels, polls, handshakesPerSecond, idle, sids, life }) => [
      host, STATES.indexOf(state), sessions, tunnels, polls, Math.round(handshakesPerSecond * 10) / 10, Number(idle),
      Buffer.from(sids.buffer, sids.byteOffset, sids.byteLength).toString('base64'), Math.ceil(life / 1000),
    ]),
  });
}

/** How long something may go on that the member has on a host, or gets there, if nobody uses it, in ms. */
function lifeOf({ idle, sessions, tunnels, polls, life }: HostShown, left: boolean): number {
  return idle || (left && sessions + tunnels + polls === 0) ? 0 : Math.min(MAX_LIFE, Math.ceil(life));
}

/** A member's record; `undefined` if a newer version writes what this one cannot read. Unknown fields are ignored. */
export function recordOf(text: string): MemberRecord | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(parsed)) return undefined;
  const field = (name: string): unknown => Reflect.get(Object(parsed), name);
  const hosts = field('hosts');
  const [without, ended] = [field('without'), field('ended')];
  return {
    version: textIn(field('version')),
    age: countIn(field('age')),
    interval: Math.min(MAX_INTERVAL, countIn(field('interval'))),
    ready: field('ready') === true,
    workers: countIn(field('workers')),
    spelling: spellingIn(field('spelling')),
    revision: textIn(field('revision')),
    hosts: Array.isArray(hosts) ? hosts.flatMap(hostIn) : [],
    level: Math.min(MAX_LEVEL, countIn(field('level'))),
    without: Array.isArray(without) ? without.filter((name) => typeof name === 'string') : [],
    ended: Array.isArray(ended) ? ended.slice(0, MOST_ENDED).flatMap(endedIn) : [],
    sharing: field('sharing') === true,
    left: field('left') === true,
  };
}

function hostIn(value: unknown): HostShown[] {
  if (!Array.isArray(value) || typeof value[0] !== 'string') return [];
  const [host, state, ...counts] = value as [string, ...unknown[]];
  const [sessions = 0, tunnels = 0, polls = 0, handshakesPerSecond = 0, idle = 0] = counts.map(countIn);
  return [{
    host, state: STATES[countIn(state)] ?? 'checking', sessions, tunnels, polls, handshakesPerSecond,
    idle: idle === 1, sids: hashesIn(counts[5]), life: Math.min(MAX_LIFE, countIn(counts[6]) * 1000),
  }];
}

function endedIn(value: unknown): EndedShown[] {
  if (!Array.isArray(value) || typeof value[0] !== 'string') return [];
  return [{ sid: value[0], ago: countIn(value[1]) }];
}

function hashesIn(value: unknown): Int32Array {
  const bytes = Buffer.from(textIn(value), 'base64');
  // Copied, since the bytes may lie at any place of a larger buffer.
  return new Int32Array(Uint8Array.from(bytes.subarray(0, bytes.length - bytes.length % 4)).buffer);
}

function spellingIn(value: unknown): Spelling {
  const [hosts, path, keyPrefix] = (['hosts', 'path', 'keyPrefix'] as const)
    .map((name) => textIn(Reflect.get(Object(value), name)));
  return { hosts: hosts ?? '', path: path ?? '', keyPrefix: keyPrefix ?? '' };
}

function textIn(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function countIn(value: unknown): number {
  return typeof value === 'number' && value >= 0 && value <= MAX_COUNT ? value : 0;
}
