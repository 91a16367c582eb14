import { LRUCache } from 'lru-cache';
import type { SessionStore, StoredBinding } from './session-store';

/** Options of {@link MemoryStore}. */
export interface MemoryStoreOptions {
  /**
   * The most sessions to keep. Beyond that, the least recently used one is forgotten. An integer from 1.
   * @default 100000
   */
  maxSessions?: number | undefined;
}

/** Stores bindings in this process's memory: for one proxy, whose sessions end with the process. */
export class MemoryStore implements SessionStore {
  readonly #sessions: LRUCache<string, string>;

  /**
   * @param options how many sessions are kept.
   * @throws TypeError when `maxSessions` is not an integer from 1.
   */
  constructor({ maxSessions = 100_000 }: MemoryStoreOptions = {}) {
    if (!Number.isSafeInteger(maxSessions) || maxSessions < 1) {
      throw new TypeError(`'maxSessions' must be an integer from 1, received ${String(maxSessions)}`);
    }
    // Looks the clock up at each call, because tests replace it after this package was loaded.
    this.#sessions = new LRUCache({ max: maxSessions, perf: { now: () => performance.now() } });
  }

  bind(sid: string, host: string, ttl: number): Promise<void> {
    this.#sessions.set(sid, host, { ttl: ttl * 1000 });
    return Promise.resolve();
  }

  find(sid: string, ttl: number): Promise<string | undefined> {
    const host = this.#sessions.get(sid);
    if (host !== undefined && this.#sessions.getRemainingTTL(sid) < ttl * 1000) {
      this.#sessions.set(sid, host, { ttl: ttl * 1000 });
    }
    return Promise.resolve(host);
  }

  unbind(sid: string): Promise<void> {
    this.#sessions.delete(sid);
    return Promise.resolve();
  }

  claim(sid: string, host: string, ttl: number, over?: string): Promise<string> {
    const bound = this.#sessions.peek(sid);
    if (bound !== undefined && bound !== host && bound !== over) return Promise.resolve(bound);
    const done = bound === host ? this.find(sid, ttl) : this.bind(sid, host, ttl);
    return done.then(() => host);
  }

  release(sid: string, host: string, expiresIn: number): Promise<void> {
    const isSame = this.#sessions.peek(sid) === host && this.#sessions.getRemainingTTL(sid) <= expiresIn * 1000;
    if (isSame) this.#sessions.delete(sid);
    return Promise.resolve();
  }

  inspect(sid: string): Promise<StoredBinding | undefined> {
    const host = this.#sessions.peek(sid);
    const expiresIn = this.#sessions.getRemainingTTL(sid) / 1000;
    return Promise.resolve(host === undefined ? undefined : { host, expiresIn });
  }
}
