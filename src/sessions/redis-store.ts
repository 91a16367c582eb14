import { inspect } from 'node:util';
import { connectionOf, type RedisClient, type RedisConnection } from './redis-clients';
import { slotOf } from './redis-slots';
import type { SessionStore, StoredBinding } from './session-store';

export type { RedisClient };

/** Bindings in Redis: the key is `<keyPrefix><sid>`, its value the host. */
export class RedisStore implements SessionStore {
  /** The slot of a cluster: each node has some of them. */
  readonly partOf: ((sid: string) => number) | undefined;
  readonly #client: RedisConnection;
  readonly #keyPrefix: string;
  /** It was opened here, and so is to be closed here. */
  #opened = false;
  /** A client of a cluster fails what it is asked before it knows its nodes. */
  #opening: Promise<unknown> | undefined;
  /** The server knows `EXPIRE … GT`: it is Redis 7 or later. */
  #knowsGreater = true;
  readonly #listeners: [event: string, listener: (...args: unknown[]) => void][] = [];

  /**
   * @param client opened or not; one that is not open yet is opened by `open()`, and then closed by `close()`.
   * @param keyPrefix stands before every sid. With a hash tag (`{socket.io}#`) a cluster keeps all keys in one slot.
   * @throws TypeError when `client` is no Redis client.
   */
  constructor(client: RedisClient, keyPrefix = 'socket.io#') {
    const connection = connectionOf(client);
    if (!connection) {
      const expected = "a client of the package 'redis' (version 2 or later) or 'ioredis' (version 5 or later)";
      throw new TypeError(`'redisClient' must be ${expected}, received ${inspect(client, { depth: 0 })}`);
    }
    this.#client = connection;
    this.#keyPrefix = keyPrefix;
    this.partOf = connection.isCluster ? (sid) => slotOf(keyPrefix + sid) : undefined;
  }

  async bind(sid: string, host: string, ttl: number): Promise<void> {
    if (this.#opening) await this.#opening;
    await this.#client.set(this.#keyPrefix + sid, ttl, host).catch(explain);
  }

  async find(sid: string, ttl: number): Promise<string | undefined> {
    if (this.#opening) await this.#opening;
    const key = this.#keyPrefix + sid;
    // GETEX would shorten an expiry that another proxy set longer, and is unknown to Redis before 6.2.
    const found = await this.#read(key);
    // What never expires was written by no proxy, and is not to be lost by a look-up.
    if (found?.expiresIn !== undefined && found.expiresIn < ttl) {
      // Not awaited, which would be a second round trip.
      void this.#renew(key, ttl);
    }
    return found?.host;
  }

  async unbind(sid: string): Promise<void> {
    if (this.#opening) await this.#opening;
    await this.#client.del(this.#keyPrefix + sid).catch(explain);
  }

  async restore(sid: string, host: string, ttl: number): Promise<void> {
    if (this.#opening) await this.#opening;
    await this.#client.setNew(this.#keyPrefix + sid, ttl, host).catch((error: unknown) => {
      // A user of Redis who may do only what earlier versions did.
      if (error instanceof Error && error.message.startsWith('NOPERM')) return this.bind(sid, host, ttl);
      return explain(error);
    });
  }

  async inspect(sid: string): Promise<StoredBinding | undefined> {
    if (this.#opening) await this.#opening;
    return this.#read(this.#keyPrefix + sid);
  }

  watch(failed: (error: Error) => void, ready: () => void): void {
    this.#listen('error', (error) => failed(error instanceof Error ? error : new Error(String(error))));
    this.#listen('ready', () => ready());
  }

  async open(): Promise<void> {
    if (this.#client.isOpen()) return;
    this.#opened = true;
    this.#opening = this.#client.open();
    try {
      await this.#opening;
    } finally {
      this.#opening = undefined;
    }
  }

  async close(): Promise<void> {
    if (this.#opened && this.#client.isOpen()) await this.#client.close();
    for (const [event, listener] of this.#listeners.splice(0)) this.#client.events.off(event, listener);
  }

  async #read(key: string): Promise<StoredBinding | undefined> {
    try {
      const [value, remaining] = await this.#client.read(key);
      const host = textOf(value);
      const seconds = Number(remaining);
      // Below 0 where it never expires.
      return host === undefined ? undefined : { host, expiresIn: seconds >= 0 ? seconds : undefined };
    } catch (error) {
      // Something else of that name is no binding, and no failure of Redis, which any client could bring about.
      if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return undefined;
      return explain(error);
    }
  }

  /** Never shortens what another proxy has set since the key was read. Never rejects. */
  async #renew(key: string, ttl: number): Promise<void> {
    if (this.#knowsGreater) {
      try {
        await this.#client.expire(key, ttl, 'GT');
        return;
      } catch (error) {
        // A read-only replica cannot renew, and is right all the same.
        if (!/wrong number of arguments|unsupported option|syntax error/i.test(String(error))) return;
        this.#knowsGreater = false;
      }
    }
    // What may be shortened then is still as long as a look-up promises.
    await this.#client.expire(key, ttl).catch(() => {});
  }

  #listen(event: string, listener: (...args: unknown[]) => void): void {
    this.#listeners.push([event, listener]);
    this.#client.events.on(event, listener);
  }
}

/** @throws what a command has failed with; where it is the wrong client that has asked, the error says so. */
function explain(error: unknown): never {
  if (!(error instanceof Error && error.message.startsWith('MOVED'))) throw error;
  const wanted = 'createCluster() of redis, or Cluster of ioredis';
  const text = `this Redis is one node of a cluster, which needs a client of its own (${wanted}): ${error.message}`;
  throw new Error(text, { cause: error });
}

/** A client may be told to give its values as buffers. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return Buffer.isBuffer(value) ? value.toString() : undefined;
}
