import type { HostLoad } from './messages';

/** What people are told of an ended worker whose sessions are waited for. */
export const ENDED_WORKER = 'an ended worker';

/**
 * The hosts where workers had sessions that have ended. Sessions by polling go on: each comes to another worker with
 * its next poll. Until then nobody knows of it, and so no such host counts as drained before they have expired.
 */
export class EndedWorkers {
  readonly #keyExpiry: number;
  /** Until when each host's sessions may go on, by `performance.now()`. */
  readonly #until = new Map<string, number>();

  /** @param keyExpiry the shortest life of a binding that nobody uses, in seconds. */
  constructor(keyExpiry: number) {
    this.#keyExpiry = keyExpiry;
  }

  /** Whether sessions may go on at a host that only ended workers knew. */
  had(host: string): boolean {
    const until = this.#until.get(host);
    if (until === undefined) return false;
    if (performance.now() <= until) return true;
    this.#until.delete(host);
    return false;
  }

  /** Whether there may be any such host. */
  get any(): boolean {
    return this.#until.size > 0;
  }

  /**
   * Records that a worker has ended.
   *
   * @param isClosed no new session had come to a host since the worker's last report.
   */
  add(load: readonly HostLoad[], isClosed: (host: string) => boolean): void {
    for (const { host, sessions, bindingLife } of load) {
      if (sessions === 0 && isClosed(host)) continue;
      this.#until.set(host, performance.now() + 1000 * Math.max(this.#keyExpiry, bindingLife));
    }
  }

  removed(host: string): void {
    this.#until.delete(host);
  }
}
