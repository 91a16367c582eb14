import { LRUCache } from 'lru-cache';
import { copyOf } from './binding';
import { StoreError } from './store-guard';

/** How many sids may be looked up at once: what comes beyond is refused, rather than kept. */
const MAX_RUNNING = 10_000;

/** Of how many sids it is remembered that the store does not know them. */
const MAX_UNKNOWN = 10_000;

/** For how long, in ms: another proxy may bind one of them at any time. */
const UNKNOWN_LIFE = 500;


/**
 * Look-ups of sids, which any client may make up: many for one sid are one, all together are bounded, and what the
 * store does not know is known for a moment. They evict nothing but each other.
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

  /** The bound host. Rejects when the store can't be asked, or too many look-ups are under way. */
  find(sid: string): Promise<string | undefined> {
    if (this.#unknown.has(sid)) return Promise.resolve(undefined);
    const running = this.#running.get(sid);
    if (running) return running;
    if (this.#running.size >= MAX_RUNNING) {
      return Promise.reject(new StoreError(`${MAX_RUNNING} look-ups are under way`));
    }
    const looking: Promise<string | undefined> = this.#ask(sid).then((host) => {
      // Not where it was bound meanwhile.
      if (host === undefined && this.#running.get(sid) === looking) this.#unknown.set(copyOf(sid), true);
      return host;
    }).finally(() => {
      if (this.#running.get(sid) === looking) this.#running.delete(sid);
    });
    this.#running.set(sid, looking);
    return looking;
  }

  /** The sid is bound here: what is known of it, or is being answered, is out of date. */
  forget(sid: string): void {
    this.#running.delete(sid);
    this.#unknown.delete(sid);
  }
}
