import type { SidSample } from '../../sessions/sid-sample';
import type { HostLoad } from './messages';

/** What a worker has. */
export interface WorkerLoad {
  readonly load: readonly HostLoad[];
  /** Some of the sids that it knows. */
  readonly sample: SidSample;
}

/**
 * What workers knew that have ended. Their sessions by polling go on: each comes to another worker with its next poll.
 * Until then, or until it has expired, nobody else knows of it.
 */
export class EndedWorkers {
  readonly #keyExpiry: number;
  #ended: readonly (WorkerLoad & { readonly at: number })[] = [];

  /** @param keyExpiry the shortest life of a binding that nobody uses, in seconds. */
  constructor(keyExpiry: number) {
    this.#keyExpiry = keyExpiry;
  }

  /** Whether there may be any. */
  get any(): boolean {
    return this.#ended.length > 0;
  }

  /** What may go on of it. */
  get loads(): readonly WorkerLoad[] {
    const now = performance.now();
    const isKept = ({ bindingLife }: HostLoad, at: number): boolean =>
      now - at <= 1000 * Math.max(this.#keyExpiry, bindingLife);
    this.#ended = this.#ended.flatMap(({ load, at, ...rest }) => {
      const kept = load.filter((host) => isKept(host, at));
      return kept.length > 0 ? [{ load: kept, at, ...rest }] : [];
    });
    return this.#ended;
  }

  add({ load, sample }: WorkerLoad): void {
    // Its requests and WebSockets have ended with it, and so have the sessions of these WebSockets.
    const left = load.map((host) => {
      const sessions = Math.max(0, host.sessions - host.tunnels);
      return { ...host, sessions, tunnels: 0, requests: 0, polls: 0 };
    }).filter(({ sessions }) => sessions > 0);
    if (left.length > 0) this.#ended = [...this.#ended, { load: left, sample, at: performance.now() }];
  }
}
