import type { IncomingMessage } from 'node:http';
import createDebug from 'debug';
import { messageOf, type RequestHead } from '../base/request-head';
import { chosenBy, createReader, type HashKey } from './hash';
import type { Host, HostStatus } from './host';

const debug = createDebug('socket.io-proxy:balance');

/**
 * Chooses the host of a new session.
 *
 * @param hosts at least one. All are up, not draining, and have a weight above 0.
 * @param request the handshake. The function must not read or answer it.
 * @returns the name of one of `hosts`; `undefined` for a random one.
 */
export type BalanceFunction = (hosts: readonly HostStatus[], request: IncomingMessage) => string | undefined;

/** How the host of a new session is chosen. */
export type Balance = 'random' | 'round-robin' | 'least-connections' | 'hash' | BalanceFunction;

/** A balance with what it needs. */
export type ResolvedBalance = BalanceName | BalanceFunction | { readonly hashBy: HashKey };

/** Chooses one of several hosts; `undefined` when there are none. */
export type Choose = (hosts: readonly Host[], request: RequestHead) => Host | undefined;

type BalanceName = Exclude<Balance, BalanceFunction | 'hash'>;

/** How each balance of a name begins. The checks of options and the flag's choices derive from this. */
const BALANCES: Readonly<Record<BalanceName, () => Choose>> = {
  random: () => random,
  'round-robin': roundRobin,
  'least-connections': () => leastConnections,
};

export const BALANCE_NAMES: readonly string[] = [...Object.keys(BALANCES), 'hash'];

/** @param balance a valid value: it is not checked again. */
export function createBalance(balance: ResolvedBalance): Choose {
  if (typeof balance === 'function') return custom(balance);
  return typeof balance === 'string' ? BALANCES[balance]() : byHash(balance.hashBy);
}

export function isBalanceName(value: unknown): value is BalanceName {
  return typeof value === 'string' && Object.hasOwn(BALANCES, value);
}

/** Chooses each host with a probability proportional to its share. */
function random(hosts: readonly Host[]): Host | undefined {
  let at = Math.random() * hosts.reduce((sum, { share }) => sum + share, 0);
  for (const host of hosts) {
    at -= host.share;
    if (at < 0) return host;
  }
  // Only rounding errors lead here.
  return hosts.at(-1);
}

/** Chooses the host with the fewest sessions for its share, and a random one among equals. */
export function leastConnections(hosts: readonly Host[]): Host | undefined {
  let best: Host | undefined;
  let least = Infinity;
  let ties = 0;
  for (const host of hosts) {
    const load = host.load / host.share;
    if (load > least) continue;
    ties = load < least ? 1 : ties + 1;
    // Of n equals, each is chosen with a probability of 1/n.
    if (Math.random() * ties < 1) best = host;
    least = load;
  }
  return best;
}

/**
 * Chooses two hosts at random, which may be the same, and of these the one with fewer sessions for its share. Where
 * several processes choose by counts that are a moment old, all would choose the emptiest host until they hear of each
 * other, and it would become the fullest one.
 */
export function lessOfTwo(hosts: readonly Host[]): Host | undefined {
  const two = [random(hosts), random(hosts)];
  return leastConnections(two.filter((host) => host !== undefined));
}

/**
 * Smooth weighted round-robin: each time, every host earns its share. The richest host is chosen, and pays the sum of
 * all shares. This spreads a heavy host's turns among those of the others.
 */
function roundRobin(): Choose {
  const earned = new WeakMap<Host, number>();
  return (hosts) => {
    let best: Host | undefined;
    let most = -Infinity;
    let total = 0;
    for (const host of hosts) {
      const { share } = host;
      const sum = (earned.get(host) ?? 0) + share;
      earned.set(host, sum);
      total += share;
      if (sum > most) {
        best = host;
        most = sum;
      }
    }
    if (best) earned.set(best, most - total);
    return best;
  };
}

/** Gives handshakes that have the same value the same host, and those without one a random host. */
function byHash(key: HashKey): Choose {
  const valueOf = createReader(key);
  return (hosts, request) => {
    const value = valueOf(request);
    return value === undefined ? random(hosts) : chosenBy(value, hosts);
  };
}

/** Calls the user's function. If it throws or returns an unknown host, the choice is random: no session is refused. */
function custom(choose: BalanceFunction): Choose {
  return (hosts, request) => {
    if (hosts.length === 0) return undefined;
    let name: unknown;
    try {
      name = choose(hosts.map(({ status }) => status), messageOf(request));
    } catch (error) {
      debug('the function has thrown: %O', error);
    }
    const chosen = hosts.find((host) => host.name === name);
    if (!chosen && name !== undefined) {
      debug('the function has returned an unknown host: %O', name);
      // If it returned a promise, its rejection must not end the process.
      if (name instanceof Promise) name.catch(() => {});
    }
    return chosen ?? random(hosts);
  };
}
