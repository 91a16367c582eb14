import type { ServerResponse } from 'node:http';
import { integerOf } from '../base/checks';
import { startDeadline } from '../base/deadline';
import type { Operator } from '../operating/operator';
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
   * Resolves once the host is drained, or once the client has gone.
   *
   * @throws Problem if that does not happen in time, if the host is removed, or if the proxy closes.
   */
  async wait(name: string, timeout: number, res: ServerResponse): Promise<void> {
    if (this.#waiting >= MAX_WAITING) {
      throw new Problem('UNAVAILABLE', `${MAX_WAITING} requests wait already`, { 'Retry-After': '10' });
    }
    this.#waiting += 1;
    try {
      await this.#wait(name, timeout, res);
    } finally {
      this.#waiting -= 1;
    }
  }

  #wait(name: string, timeout: number, res: ServerResponse): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (problem?: Problem): void => {
        cancel();
        stop();
        clearInterval(looking);
        res.off('close', settle);
        if (problem instanceof Problem) reject(problem);
        else resolve();
      };
      const look = (): void => {
        const host = this.#operator.hosts.find((report) => report.host === name);
        if (!host) settle(new Problem('HOST_UNKNOWN', `the host '${name}' was removed`));
        else if (host.drained) settle();
      };
      const stop = this.#operator.onChange(({ type, host }) => {
        if (type === 'closing') settle(new Problem('UNAVAILABLE', 'the proxy is closing', { 'Retry-After': '1' }));
        // After all other listeners, which may change the host once more.
        else if (host === name) queueMicrotask(look);
      });
      const looking = setInterval(look, LOOK_INTERVAL);
      const cancel = startDeadline(timeout, () => settle(new Problem('NOT_DRAINED', this.#stateOf(name))));
      res.once('close', settle);
      look();
    });
  }

  #stateOf(name: string): string {
    const report = this.#operator.hosts.find(({ host }) => host === name);
    if (!report?.draining) return `the host '${name}' is not draining`;
    const { sessions, tunnels } = report.fleet ?? report;
    const { using, open, gone } = this.#operator.remainsOf(name);
    const waits = [
      [using, 'which has something there'], [open, 'which has not drained it yet'],
      [gone, 'which is gone, and whose sessions may go on'],
    ] as const;
    const whom = waits.flatMap(([ids, why]) => (ids.length > 0 ? [`; waits for proxy ${ids.join(', ')}, ${why}`] : []));
    return `the host '${name}' is not drained yet: ${sessions} sessions, ${tunnels} WebSockets${whom.join('')}`;
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
