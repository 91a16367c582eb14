import { inspect } from 'node:util';
import type { SessionStore } from './session-store';

/** What {@link RedisStore} uses of a client: `createClient()` of the package `redis`, version 4 or later, has it. */
export interface RedisClient {
  readonly isOpen: boolean;
  connect(): Promise<unknown>;
  get(key: string): Promise<unknown>;
  setEx(key: string, seconds: number, value: string): Promise<unknown>;
  expire(key: string, seconds: number): Promise<unknown>;
  ttl(key: string): Promise<unknown>;
  del(key: string): Promise<unknown>;
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  off(event: string, listener: (...args: unknown[]) => void): unknown;
}

const METHODS = ['connect', 'get', 'setEx', 'expire', 'ttl', 'del', 'on', 'off'] as const;

/** Bindings in Redis: the key is `<keyPrefix><sid>`, its value the host. */
export class RedisStore implements SessionStore {
  readonly #client: RedisClient;
  readonly #keyPrefix: string;
  #opened = false;
  readonly #listeners: [event: string, listener: (...args: unknown[]) => void][] = [];

  /**
   * @param client opened or not; one that is not open yet is opened by `open()`, and then closed by `close()`.
   * @param keyPrefix stands before every sid.
   * @throws TypeError when `client` is no Redis client.
   */
  constructor(client: RedisClient, keyPrefix = 'socket.io#') {
    if (!isRedisClient(client)) {
      const received = inspect(client, { depth: 0 });
      const expected = "a client of the package 'redis' (version 4 or later)";
      throw new TypeError(`'redisClient' must be ${expected}, received ${received}`);
    }
    this.#client = client;
    this.#keyPrefix = keyPrefix;
  }

  async bind(sid: string, host: string, ttl: number): Promise<void> {
    await this.#client.setEx(this.#keyPrefix + sid, ttl, host);
  }

  async find(sid: string, ttl: number): Promise<string | undefined> {
    const key = this.#keyPrefix + sid;
    // Both leave in one write, as the client pipelines what is sent in one turn. GETEX would shorten an expiry that
    // another proxy set longer, and is unknown to Redis before 6.2.
    const [host, remaining] = await Promise.all([this.#client.get(key), this.#client.ttl(key)]);
    if (typeof host !== 'string') return undefined;
    if (Number(remaining) < ttl) {
      // Not awaited, which would be a second round trip. A read-only replica cannot renew, and is right all the same.
      this.#client.expire(key, ttl).catch(() => {});
    }
    return host;
  }

  async unbind(sid: string): Promise<void> {
    await this.#client.del(this.#keyPrefix + sid);
  }

  watch(failed: (error: Error) => void, ready: () => void): void {
    this.#listen('error', (error) => failed(error instanceof Error ? error : new Error(String(error))));
    this.#listen('ready', () => ready());
  }

  async open(): Promise<void> {
    if (this.#client.isOpen) return;
    this.#opened = true;
    await this.#client.connect();
  }

  async close(): Promise<void> {
    if (this.#opened && this.#client.isOpen) await closeClient(this.#client);
    this.#opened = false;
    for (const [event, listener] of this.#listeners.splice(0)) this.#client.off(event, listener);
  }

  #listen(event: string, listener: (...args: unknown[]) => void): void {
    this.#listeners.push([event, listener]);
    this.#client.on(event, listener);
  }
}

function isRedisClient(value: unknown): value is RedisClient {
  return typeof value === 'object' && value !== null && 'isOpen' in value &&
    METHODS.every((name) => typeof Reflect.get(value, name) === 'function');
}

/** `destroy` of version 5 and later, `disconnect` of 4: neither waits for a server that may be gone. */
async function closeClient(client: RedisClient): Promise<void> {
  const close: unknown = Reflect.get(client, 'destroy') ?? Reflect.get(client, 'disconnect');
  if (typeof close === 'function') await Reflect.apply(close, client, []);
}
