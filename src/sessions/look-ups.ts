import { LRUCache } from 'lru-cache';
import { copyOf } from './binding';
import { StoreError } from './store-calls';

/** How many sids may be looked up at once. Further look-ups are refused, and do not wait. */
const MAX_RUNNING = 10_000;

/** How many sids unknown to the store are remembered. */
const MAX_UNKNOWN = 10_000;

/** How long they are remembered, in ms: another proxy may bind one at any time. */
const UNKNOWN_LIFE = 500;

/**
 * Looks sids up, which any client may make up. Simultaneous look-ups of a sid share one call, the number of calls is
 * bounded, and sids unknown to the store are remembered for a moment. These evict nothing but each other.
 */
export class LookUps {
  readonly #ask: (sid: string) => Promise<string | undefined>;
  readonly #running = new Map<string, Promise<string | undefined>>();
  readonly #unknown = new LRUCache<string, true>({
    max: MAX_UNKNOWN, ttl: UNKNOWN_LIFE, perf: { now: () => performance.now() },
  });

  /** @param ask asks the store. */
  constructor(ask: (sid: string) => Promise<string | undefined>) {
    this.#ask = ask;
  }

  /** The bound host. Rejects when the store cannot be asked, or too many look-ups are in progress. */
  find(sid: string): Promise<string | undefined> {
    if (this.#unknown.has(sid)) return Promise.resolve(undefined);
    const running = this.#running.get(sid);
    if (running) return running;
    if (this.#running.size >= MAX_RUNNING) {
      return Promise.reject(new StoreError(`${MAX_RUNNING} look-ups are under way`));
    }
    const looking: Promise<string | undefined> = this.#ask(sid).then((host) => {
      // Unless the sid was bound here in the meantime.
      if (host === undefined && this.#running.get(sid) === looking) this.#unknown.set(copyOf(sid), true);
      return host;
    }).finally(() => {
      if (this.#running.get(sid) === looking) this.#running.delete(sid);
    });
    this.#running.set(sid, looking);
    return looking;
  }

  /** Called when a sid is bound here: remembered and pending answers are out of date. */
  forget(sid: string): void {
    this.#running.delete(sid);
    this.#unknown.delete(sid);
  }
}
