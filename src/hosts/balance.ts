import type { IncomingMessage } from 'node:http';
import createDebug from 'debug';
import type { Host, HostStatus } from './host';

const debug = createDebug('socket.io-proxy:balance');

/**
 * Chooses the host of a new session: one of those that it is given, which are up, not draining, and of a weight over 0.
 *
 * @param hosts has at least one entry.
 * @param request is the handshake, which is not to be read or answered.
 * @returns the name of one of them; `undefined` leaves it to chance.
 */
export type BalanceFunction = (hosts: readonly HostStatus[], request: IncomingMessage) => string | undefined;

/** How the host of a new session is chosen. */
export type Balance = 'random' | 'round-robin' | 'least-connections' | BalanceFunction;

/** Chooses one of several hosts; `undefined` where there is none. */
export type Choose = (hosts: readonly Host[], request: IncomingMessage) => Host | undefined;

/** @throws what `balance` is not: it has been checked before. */
export function createBalance(balance: Balance): Choose {
  if (typeof balance === 'function') return custom(balance);
  if (balance === 'round-robin') return roundRobin();
  return balance === 'random' ? random : leastConnections;
}

/** Each as likely as its share. */
function random(hosts: readonly Host[]): Host | undefined {
  let at = Math.random() * hosts.reduce((sum, { share }) => sum + share, 0);
  for (const host of hosts) {
    at -= host.share;
    if (at < 0) return host;
  }
  // What rounding leaves over.
  return hosts.at(-1);
}

/** The one with the fewest sessions for its share; one of them at random where several have as few. */
function leastConnections(hosts: readonly Host[]): Host | undefined {
  let best: Host | undefined;
  let least = Infinity;
  let ties = 0;
  for (const host of hosts) {
    const load = host.load / host.share;
    if (load > least) continue;
    ties = load < least ? 1 : ties + 1;
    // Of n, each is kept with 1/n.
    if (Math.random() * ties < 1) best = host;
    least = load;
  }
  return best;
}

/**
 * Smooth weighted round-robin: every host earns its share each time, and the richest is chosen, and pays what all have
 * earned. So a heavy host's turns are spread among those of the others.
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

/** The user's function. What it gets wrong leaves the choice to chance: no session is refused for it. */
function custom(choose: BalanceFunction): Choose {
  return (hosts, request) => {
    if (hosts.length === 0) return undefined;
    let name: unknown;
    try {
      name = choose(hosts.map(({ status }) => status), request);
    } catch (error) {
      debug('the function has thrown: %O', error);
    }
    const chosen = hosts.find((host) => host.name === name);
    if (!chosen && name !== undefined) {
      debug('the function has returned what is none of its hosts: %O', name);
      // Should it be a promise, its rejection is not to end the process.
      if (name instanceof Promise) name.catch(() => {});
    }
    return chosen ?? random(hosts);
  };
}
