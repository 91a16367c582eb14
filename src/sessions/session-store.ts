import { LRUCache } from 'lru-cache';

/** What a store tells of a binding. */
export interface StoredBinding {
  /** As it was bound. */
  readonly host: string;
  /** When it expires unless it is renewed, in seconds from now; `undefined` where the store can't tell. */
  readonly expiresIn: number | undefined;
}

/** Where bindings live. Every proxy that shares a store routes every session. */
export interface SessionStore {
  /**
   * Once resolved, every proxy that shares the store can `find` it.
   *
   * @param sid of any characters, up to 512 of them.
   * @param host as it stands in the proxy's `hosts`.
   * @param ttl how long the binding lives, in seconds, unless `find` renews it.
   */
  bind(sid: string, host: string, ttl: number): Promise<void>;
  /**
   * The bound host, its expiry renewed to at least `ttl` seconds (never shortened: another proxy may know that the
   * session needs longer); `undefined` when unknown or expired.
   *
   * @param ttl how long the binding lives from now on, at least, in seconds.
   */
  find(sid: string, ttl: number): Promise<string | undefined>;
  /** Forgets the sid, if it is known. */
  unbind(sid: string): Promise<void>;
  /**
   * Does what `bind` does where the sid is unknown or expired, and nothing where it is bound, in one step. Where it is
   * missing, `find` and then `bind` are asked, and what another proxy has bound in between is overwritten.
   */
  restore?(sid: string, host: string, ttl: number): Promise<void>;
  /**
   * The binding as it is, its expiry left alone, for those who operate the proxy; `undefined` when unknown or expired.
   * Where it is missing, `find` is asked.
   */
  inspect?(sid: string): Promise<StoredBinding | undefined>;
  /**
   * In which part of the store a sid lies, where parts of it can fail alone. With it, `failed` of `watch` means that a
   * part may have failed, and a part that leaves some calls unanswered is asked no more until it answers.
   */
  partOf?: ((sid: string) => number) | undefined;
  /**
   * Tells of the store's own state, where it has one: `failed` when it becomes unable to serve, `ready` when it can
   * serve again (its contents may be gone by then). Called once,
   * before `open`; listening ends with `close`.
   */
  watch?(failed: (error: Error) => void, ready: () => void): void;
  /**
   * Opens what has to be opened before the first call. It is called again after it has rejected. Calls that are made
   * before it has resolved wait, or reject.
   */
  open?(): Promise<void>;
  /** Closes what `open` opened, and nothing else. Called even where `open` was not. */
  close?(): Promise<void>;
}

/** Options of {@link MemoryStore}. */
export interface MemoryStoreOptions {
  /**
   * The most sessions that are kept; beyond it the one that was used longest ago is forgotten. An integer from 1.
   * @default 100000
   */
  maxSessions?: number | undefined;
}

/** Bindings in this process's memory: for one proxy, whose sessions end with it. */
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
    // The clock as it is when it is read, rather than when the cache was loaded: tests move it by hand.
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

  restore(sid: string, host: string, ttl: number): Promise<void> {
    return this.#sessions.has(sid) ? Promise.resolve() : this.bind(sid, host, ttl);
  }

  inspect(sid: string): Promise<StoredBinding | undefined> {
    const host = this.#sessions.peek(sid);
    const expiresIn = this.#sessions.getRemainingTTL(sid) / 1000;
    return Promise.resolve(host === undefined ? undefined : { host, expiresIn });
  }
}
