import type { ServerResponse } from 'node:http';
import { integerOf } from '../base/checks';
import { startDeadline } from '../base/deadline';
import { NO_REMAINS } from '../operating/fleet-remains';
import type { HostReport, Operator } from '../operating/operator';
import { Problem, valid } from './problems';

/** How long a request waits at most, in ms. */
const MAX_TIMEOUT = 3_600_000;

/** How often to look, besides, in ms: what comes late to a host that was drained already is told by nothing. */
const LOOK_INTERVAL = 1000;

/** The most requests that wait: others must still be answered. */
const MAX_WAITING = 50;

/** Lets requests wait until a host is drained. */
export class DrainedWaits {
  readonly #operator: Operator;
  #waiting = 0;

  constructor(operator: Operator) {
    this.#operator = operator;
  }

  /**
   * Resolves with the host once it is drained, or once the client has gone. A drained host may be removed by then, as a
   * rollout does at once.
   *
   * @throws Problem if that does not happen in time, if the host is removed before, or if the proxy closes.
   */
  async wait(host: HostReport, timeout: number, res: ServerResponse): Promise<HostReport> {
    if (this.#waiting >= MAX_WAITING) {
      throw new Problem('UNAVAILABLE', `${MAX_WAITING} requests wait already`, { 'Retry-After': '10' });
    }
    this.#waiting += 1;
    try {
      // What is known of others may be old: this process may have stood still.
      const isFresh = !host.drained || await this.#refresh();
      return res.closed ? host : await this.#wait(host, timeout, res, isFresh);
    } finally {
      this.#waiting -= 1;
    }
  }

  #wait(given: HostReport, timeout: number, res: ServerResponse, isGivenFresh: boolean): Promise<HostReport> {
    const name = given.host;
    return new Promise((resolve, reject) => {
      let [last, isTold, isAsking] = [given, false, false];
      const settle = (outcome: HostReport | Problem): void => {
        cancel();
        stop();
        clearInterval(looking);
        res.off('close', leave);
        if (outcome instanceof Problem) reject(outcome);
        else resolve(outcome);
      };
      const leave = (): void => settle(last);
      const look = (isFresh = false): void => {
        const host = this.#operator.hosts.find((report) => report.host === name);
        if (!host) {
          const removed = new Problem('HOST_UNKNOWN', `the host '${name}' was removed`);
          settle(isTold || last.drained ? { ...last, drained: true } : removed);
          return;
        }
        last = host;
        if (!host.drained) return;
        if (isFresh) settle(this.#doubtOf(host) ?? host);
        else ask();
      };
      const ask = (): void => {
        if (isAsking) return;
        isAsking = true;
        void this.#refresh().then((isFresh) => {
          isAsking = false;
          // Else it is asked again with the next look.
          if (isFresh) look(true);
        });
      };
      const stop = this.#operator.onChange(({ type, host }) => {
        if (host === name) isTold = type === 'drained' || (isTold && type === 'removed');
        if (type === 'closing') settle(new Problem('UNAVAILABLE', 'the proxy is closing', { 'Retry-After': '1' }));
        // After all other listeners, which may change the host once more.
        else if (host === name) queueMicrotask(look);
      });
      const looking = setInterval(look, LOOK_INTERVAL);
      const cancel = startDeadline(timeout, () => settle(new Problem('NOT_DRAINED', this.#stateOf(name))));
      res.once('close', leave);
      look(isGivenFresh);
    });
  }

  /** @returns whether all is known that can be. */
  async #refresh(): Promise<boolean> {
    return await this.#operator.refresh() || this.#operator.fleet.refused;
  }

  /** Why a drained host may not be drained at all proxies, where nobody knows of the others. */
  #doubtOf({ fleet }: HostReport): Problem | undefined {
    if (!fleet?.draining || !this.#operator.fleet.refused) return undefined;
    return new Problem('UNAVAILABLE', 'this proxy has nothing there, but Redis refuses it the fleet, so that it does ' +
      'not know of other proxies: give it the rights that docs/fleet.md names, or start it with --no-fleet');
  }

  #stateOf(name: string): string {
    const report = this.#operator.hosts.find(({ host }) => host === name);
    if (!report?.draining) return `the host '${name}' is not draining`;
    const { sessions, tunnels } = report.fleet?.draining ? report.fleet : report;
    return `the host '${name}' is not drained yet: ${sessions} sessions, ${tunnels} WebSockets${this.#waitsOf(report)}`;
  }

  /** What a draining host waits for, as the end of a sentence. */
  #waitsOf({ host, sessions, tunnels, requests, fleet }: HostReport): string {
    const { reached, refused } = this.#operator.fleet;
    const isShared = fleet?.draining === true;
    if (isShared && refused) return '; Redis refuses the fleet';
    if (isShared && !reached) {
      return '; Redis does not answer the fleet, so that nobody knows what other proxies have there';
    }
    const { using, open, gone } = isShared || !fleet ? this.#operator.remainsOf(host) : NO_REMAINS;
    const waits = [
      [using, 'with something there'], [open, 'still to drain it'], [gone, 'gone, with sessions that may go on'],
    ] as const;
    const whom = waits.flatMap(([ids, why]) => (ids.length > 0 ? [`; waits for ${ids.join(', ')}: ${why}`] : []));
    if (!isShared || whom.length > 0 || sessions + tunnels + requests > 0) return whom.join('');
    return '; waits until each proxy has shown twice that it has nothing there';
  }
}

/** How long a request wants to wait until its host is drained, in ms; `undefined` if it does not. @throws Problem */
export function waitOf(query: URLSearchParams): number | undefined {
  for (const key of query.keys()) {
    if (key !== 'wait' && key !== 'timeout') {
      throw new Problem('INVALID', `unknown parameter '${key}'; expected wait, timeout`);
    }
    if (query.getAll(key).length > 1) throw new Problem('INVALID', `'${key}' is given twice`);
  }
  const [wait, timeout] = [query.get('wait'), query.get('timeout')];
  if (wait === null && timeout !== null) throw new Problem('INVALID', "'timeout' needs 'wait'");
  if (wait === null) return undefined;
  if (wait !== 'drained') throw new Problem('INVALID', "'wait' must be drained");
  return valid(() => integerOf('timeout', timeout === null ? 60_000 : Number(timeout || NaN), 1, MAX_TIMEOUT));
}
