// `getServers()` of `node:dns/promises` ignores `dns.setServers()`.
import { getServers, promises } from 'node:dns';
import { isIP } from 'node:net';
import createDebug from 'debug';
import { startDeadline } from '../base/deadline';
import { Host, MAX_WEIGHT } from './host';

const debug = createDebug('socket.io-proxy:discovery');

/** How long a DNS server may take to answer the first of two tries, in ms. The second may take twice as long. */
const TRY_TIMEOUT = 1000;

/** How long one look-up may take in all, however many servers there are, in ms. */
const TIMEOUT = 5000;

/** The assumed TTL of SRV records, in seconds: Node does not tell the real one. Kubernetes uses the same. */
const SRV_TTL = 5;

/** The system's DNS servers when this process started. */
const SYSTEM_SERVERS = String(new promises.Resolver().getServers());

/** The DNS name by which hosts are discovered. */
export interface DnsName {
  readonly name: string;
  /** The port of every address; `undefined` for SRV records, which have their own. */
  readonly port: number | undefined;
}

/** The hosts behind a name. */
export interface DnsAnswer {
  /** Host → weight, with at least one entry. */
  readonly hosts: ReadonlyMap<string, number>;
  /** How long the answer is valid, in seconds. */
  readonly ttl: number;
}

/** @returns `undefined` when the text is neither `dns:NAME:PORT` nor `dns+srv:NAME`. */
export function parseDnsName(text: string): DnsName | undefined {
  const [, name = '', digits] = /^dns(?:\+srv:([^:]+)|:([^:]+):(\d{1,5}))$/.exec(text)?.filter(Boolean) ?? [];
  // A name of digits and dots alone is a mistyped address.
  if (name.length > 254 || !/^[\w-]{1,63}(?:\.[\w-]{1,63})*\.?$/.test(name) || /^[\d.]+$/.test(name)) return undefined;
  const port = digits === undefined ? undefined : Number(digits);
  return port === 0 || (port !== undefined && port > 65_535) ? undefined : { name, port };
}

/**
 * Asks DNS once: the servers of the system, or those set by `dns.setServers()`. Takes 5 s at most.
 *
 * @throws Error of Node, such as `ENOTFOUND`, or one that says that no record is usable or no server answered in time.
 */
export async function lookUp({ name, port }: DnsName, signal: AbortSignal): Promise<DnsAnswer> {
  // A new resolver each time, because only a new one reads the system's configuration.
  const resolver = new promises.Resolver({ timeout: TRY_TIMEOUT, tries: 2 });
  const servers = getServers();
  if (String(servers) !== SYSTEM_SERVERS) resolver.setServers(servers);
  const deadline = { passed: false };
  const abort = (): void => resolver.cancel();
  const cancel = startDeadline(TIMEOUT, () => {
    deadline.passed = true;
    abort();
  });
  signal.addEventListener('abort', abort, { once: true });
  try {
    return port === undefined ? await findServices(resolver, name) : await findAddresses(resolver, name, port);
  } catch (error) {
    throw deadline.passed ? new Error(`no DNS server has told of ${name} within ${TIMEOUT} ms`) : error;
  } finally {
    cancel();
    signal.removeEventListener('abort', abort);
  }
}

async function findAddresses(resolver: promises.Resolver, name: string, port: number): Promise<DnsAnswer> {
  const options = { ttl: true } as const;
  const records = await resolver.resolve4(name, options).catch((error: unknown) => {
    // IPv6 only when there is no IPv4: the two addresses of a machine would count as two hosts.
    if (hasNoData(error)) return resolver.resolve6(name, options);
    throw error;
  });
  const hosts = new Map(records.map(({ address }) => [`${isIP(address) === 6 ? `[${address}]` : address}:${port}`, 1]));
  // Node 20 tells the TTL of the first 256 records only.
  const ttls = records.map(({ ttl }: { ttl?: number }) => ttl ?? Infinity);
  return { hosts, ttl: Math.min(...ttls) };
}

/** The hosts with the lowest priority number, by name: a pod's address changes with each restart. */
async function findServices(resolver: promises.Resolver, name: string): Promise<DnsAnswer> {
  const records = await resolver.resolveSrv(name);
  const usable = records.flatMap((record) => {
    const host = `${record.name.toLowerCase().replace(/\.$/, '')}:${record.port}`;
    return isHost(host) ? [{ ...record, host }] : [];
  });
  if (usable.length === 0) throw new Error(`no SRV record of ${name} names a host`);
  const lowest = Math.min(...usable.map(({ priority }) => priority));
  const chosen = usable.filter(({ priority }) => priority === lowest);
  const scale = Math.min(1, MAX_WEIGHT / Math.max(...chosen.map(({ weight }) => weight)));
  const hosts = new Map<string, number>();
  for (const { host, weight } of chosen) {
    // Weight 0 still gets a few sessions, and all of them when no host has more (RFC 2782).
    hosts.set(host, Math.max(1, Math.round(weight * scale), hosts.get(host) ?? 0));
  }
  return { hosts, ttl: SRV_TTL };
}

/** Whether the name exists but has no record of this type. */
function hasNoData(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENODATA';
}

function isHost(name: string): boolean {
  try {
    new Host(name);
    return true;
  } catch (error) {
    debug(error);
    return false;
  }
}
