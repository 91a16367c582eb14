import { BALANCE_NAMES, isBalanceName, type BalanceFunction, type ResolvedBalance } from './balance';
import { integerOf, isObject, wrong } from '../base/checks';
import { parseDnsName, type DnsName } from './dns';
import { isHashKey } from './hash';
import { Host, MAX_WEIGHT } from './host';

/** An entry of `hosts` that has options. */
export interface HostOptions {
  /** `host:port`, `[IPv6]:port`, `http://host[:port]` or `https://host[:port]`. */
  host: string;
  /** The host's share of new sessions, relative to the other weights. From 0 (none) to 1000. @default 1 */
  weight?: number | undefined;
}

/** @throws TypeError that names the entry, what was expected and what was received. */
export function hostsOf(hosts: unknown): Host[] {
  if (hosts === undefined || hosts === null) throw new TypeError("'hosts' array is mandatory!");
  if (!Array.isArray(hosts)) throw wrong('hosts', 'be an array', hosts);
  if (hosts.length === 0) throw wrong('hosts', 'have at least one entry', hosts);
  const seen = new Map<string, string>();
  // Unlike `map`, this visits the gaps of a sparse array.
  return Array.from(hosts, (entry: unknown, index) => {
    const name = `hosts[${index}]`;
    const host = entryOf(name, entry);
    const twin = seen.get(host.url.origin);
    if (twin !== undefined) throw wrong(name, `name another server than '${twin}'`, host.name);
    seen.set(host.url.origin, host.name);
    return host;
  });
}

/** @throws TypeError that names the argument, what was expected and what was received. */
export function hostOf(argument: string, name: unknown, weight: number): Host {
  if (typeof name !== 'string') throw wrong(argument, 'be a string', name);
  try {
    return new Host(name, weight);
  } catch (error) {
    throw new TypeError(`'${argument}': ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A weight. Throws as {@link hostOf} does. */
export function weightOf(argument: string, weight: unknown): number {
  return integerOf(argument, weight, 0, MAX_WEIGHT);
}

/** @throws TypeError when `discover` is not such a name, or when there are `hosts` too. */
export function discoverOf(discover: unknown, hosts: unknown): DnsName | undefined {
  if (discover === undefined) return undefined;
  const name = typeof discover === 'string' ? parseDnsName(discover) : undefined;
  if (!name) throw wrong('discover', "be 'dns:NAME:PORT' or 'dns+srv:NAME'", discover);
  const none = hosts === undefined || (Array.isArray(hosts) && hosts.length === 0);
  if (!none) throw wrong('discover', "be left out where 'hosts' is given", discover);
  return name;
}

/** @throws TypeError when `balance` is not a `Balance`, or when `hashBy` does not go with it. */
export function balanceOf(balance: unknown = 'random', hashBy?: unknown): ResolvedBalance {
  if (balance === 'hash') {
    if (isHashKey(hashBy)) return { hashBy };
    if (hashBy === undefined) throw new TypeError("'hashBy' is mandatory where 'balance' is 'hash'");
    throw wrong('hashBy', "be 'query:NAME', 'header:NAME' or 'cookie:NAME'", hashBy);
  }
  if (hashBy !== undefined) throw wrong('hashBy', "be left out unless 'balance' is 'hash'", hashBy);
  if (isBalanceName(balance)) return balance;
  if (typeof balance === 'function') return balance as BalanceFunction;
  throw wrong('balance', `be ${BALANCE_NAMES.map((name) => `'${name}'`).join(', ')} or a function`, balance);
}

function entryOf(name: string, entry: unknown): Host {
  if (typeof entry === 'string') return hostOf(name, entry, 1);
  // `hasOwn`, because a `URL` inherits a `host`.
  if (!isObject(entry) || !Object.hasOwn(entry, 'host')) {
    throw wrong(name, "be a string, or an object with a 'host'", entry);
  }
  for (const key of Object.keys(entry)) {
    if (key !== 'host' && key !== 'weight') {
      throw new TypeError(`'${name}.${key}' is not an option of a host; expected host, weight`);
    }
  }
  const { host, weight = 1 } = entry as Record<'host' | 'weight', unknown>;
  return hostOf(`${name}.host`, host, weightOf(`${name}.weight`, weight));
}
