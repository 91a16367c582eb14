import { inspect } from 'node:util';
import { toError } from '../base/checks';
import { connectionOf, type RedisClient, type RedisConnection } from './redis-clients';
import { RedisFailover } from './redis-failover';
import { slotOf } from './redis-slots';
import type { SessionStore, StoredBinding } from './session-store';

export type { RedisClient };

/** Binds a key that is unknown or bound to a host whose session has ended. Answers with the host by then. */
const CLAIM_OVER = `
local bound = redis.call('GET', KEYS[1])
if bound and bound ~= ARGV[3] then return bound end
redis.call('SETEX', KEYS[1], ARGV[2], ARGV[1])
return ARGV[1]
`;

/** Deletes a key that is bound to a host and expires within a time, in ms. */
const RELEASE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then return 0 end
return redis.call('DEL', KEYS[1])
`;

/** Stores bindings in Redis: the key is `<keyPrefix><sid>`, the value the host. */
export class RedisStore implements SessionStore {
  /** The sid's slot in a cluster, of which each node has some; `undefined` without a cluster. */
  readonly partOf: ((sid: string) => number) | undefined;
  readonly #failover: RedisFailover;
  readonly #client: RedisConnection;
  readonly #keyPrefix: string;
  /** Whether this store opened the client, and so must close it. */
  #opened = false;
  /** Calls wait for this, because a cluster's client fails them before it knows its nodes. */
  #opening: Promise<unknown> | undefined;
  /** Whether the server knows `EXPIRE … GT` (Redis 7 or later). */
  #knowsGt = true;
  readonly #listeners: [event: string, listener: (...args: unknown[]) => void][] = [];

  /**
   * @param client open or not. If it is not open yet, `open()` opens it and `close()` closes it.
   * @param keyPrefix precedes every sid. With a hash tag (`{socket.io}#`) a cluster keeps all keys in one slot.
   * @throws TypeError when `client` is no Redis client.
   */
  constructor(client: RedisClient, keyPrefix = 'socket.io#') {
    const connection = connectionOf(client);
    if (!connection) {
      const expected = "a client of the package 'redis' (version 2 or later) or 'ioredis' (version 5 or later)";
      throw new TypeError(`'redisClient' must be ${expected}, received ${inspect(client, { depth: 0 })}`);
    }
    this.#failover = new RedisFailover(connection);
    this.#client = this.#failover.connection;
    this.#keyPrefix = keyPrefix;
    this.partOf = connection.isCluster ? (sid) => slotOf(keyPrefix + sid) : undefined;
  }

  async bind(sid: string, host: string, ttl: number): Promise<void> {
    if (this.#opening) await this.#opening;
    await this.#set(this.#keyPrefix + sid, ttl, host);
  }

  async find(sid: string, ttl: number): Promise<string | undefined> {
    if (this.#opening) await this.#opening;
    const key = this.#keyPrefix + sid;
    // GETEX would shorten a longer expiry that another proxy set, and Redis before 6.2 does not know it.
    const found = await this.#read(key);
    if (found) this.#prolong(key, found, ttl);
    return found?.host;
  }

  async unbind(sid: string): Promise<void> {
    if (this.#opening) await this.#opening;
    await this.#client.del(this.#keyPrefix + sid).catch(explain);
  }

  async claim(sid: string, host: string, ttl: number, over?: string): Promise<string> {
    if (this.#opening) await this.#opening;
    const key = this.#keyPrefix + sid;
    if (over !== undefined) return this.#claimOver(key, host, ttl, over);
    // Usually the sid is new, and this is the only round trip.
    if (textOf(await this.#client.setNew(key, ttl, host).catch(unlessForbidden)) === 'OK') return host;
    const found = await this.#read(key);
    if (found && found.host !== host) return found.host;
    // Sets it again, since another proxy may be about to release it for the session before.
    await this.#set(key, Math.max(ttl, found?.expiresIn ?? 0), host);
    return host;
  }

  async release(sid: string, host: string, expiresIn: number): Promise<void> {
    if (this.#opening) await this.#opening;
    const key = this.#keyPrefix + sid;
    const ms = String(Math.ceil(expiresIn * 1000));
    if (await this.#client.evaluate(RELEASE, [key], [host, ms]).catch(unlessForbidden) !== undefined) return;
    const found = await this.#read(key);
    const isSame = found?.host === host && (found.expiresIn ?? 0) <= Math.ceil(expiresIn);
    if (isSame) await this.#client.del(key).catch(explain);
  }

  async inspect(sid: string): Promise<StoredBinding | undefined> {
    if (this.#opening) await this.#opening;
    return this.#read(this.#keyPrefix + sid);
  }

  /** Runs a script on this Redis: for what several proxies share besides bindings. */
  async evaluate(script: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    if (this.#opening) await this.#opening;
    return this.#client.evaluate(script, keys, args).catch(explain);
  }

  watch(failed: (error: Error) => void, ready: () => void): void {
    this.#failover.refused = failed;
    this.#listen('error', (error) => {
      if (!this.#failover.expects()) failed(toError(error));
    });
    this.#listen('ready', () => ready());
    // In `redis` 5 the client of Sentinel has no other event for a new primary.
    this.#listen('topology-change', (change) => {
      if (Reflect.get(Object(change), 'type') === 'MASTER_CHANGE') ready();
    });
  }

  async open(): Promise<void> {
    if (this.#client.isOpen()) return;
    this.#opened = true;
    this.#opening = this.#openClient();
    try {
      await this.#opening;
    } finally {
      this.#opening = undefined;
    }
  }

  async #set(key: string, ttl: number, host: string): Promise<void> {
    await this.#client.set(key, ttl, host).catch(explain);
  }

  async #claimOver(key: string, host: string, ttl: number, over: string): Promise<string> {
    const bound = await this.#client.evaluate(CLAIM_OVER, [key], [host, String(ttl), over]).catch(unlessForbidden);
    if (bound !== undefined) return textOf(bound) ?? host;
    const found = await this.#read(key);
    if (found && found.host !== over) return found.host;
    await this.#set(key, ttl, host);
    return host;
  }

  async #openClient(): Promise<void> {
    let reason: unknown;
    const onError = (error: unknown): unknown => reason = error;
    this.#client.events.on('error', onError);
    try {
      await this.#client.open();
    } catch (error) {
      // A cluster's client only says that it could use no node, and has told why before.
      if (this.#client.isCluster && reason !== undefined) throw toError(reason);
      throw error;
    } finally {
      this.#client.events.off('error', onError);
    }
  }

  async close(): Promise<void> {
    this.#failover.close();
    if (this.#opened && this.#client.isOpen()) await this.#client.close();
    for (const [event, listener] of this.#listeners.splice(0)) this.#client.events.off(event, listener);
  }

  async #read(key: string): Promise<StoredBinding | undefined> {
    try {
      const [value, remaining] = await this.#client.read(key);
      const host = textOf(value);
      const seconds = Number(remaining);
      // Negative when the key never expires.
      return host === undefined ? undefined : { host, expiresIn: seconds >= 0 ? seconds : undefined };
    } catch (error) {
      // A key of another type is no binding. If it counted as a failure of Redis, any client could cause one.
      if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return undefined;
      return explain(error);
    }
  }

  #prolong(key: string, { expiresIn }: StoredBinding, ttl: number): void {
    // No proxy writes a key that never expires: a look-up must not make it expire.
    if (expiresIn === undefined || expiresIn >= ttl) return;
    // Not awaited: that would be a second round trip.
    void this.#renew(key, ttl);
  }

  /** Never shortens an expiry that another proxy has set since the key was read. Never rejects. */
  async #renew(key: string, ttl: number): Promise<void> {
    if (this.#knowsGt) {
      try {
        await this.#client.expire(key, ttl, 'GT');
        return;
      } catch (error) {
        // A read-only replica cannot renew, but its answer is still right.
        if (!/wrong number of arguments|unsupported option|syntax error/i.test(String(error))) return;
        this.#knowsGt = false;
      }
    }
    // Without `GT` this may shorten the expiry, but never below what a look-up promises.
    await this.#client.expire(key, ttl).catch(() => {});
  }

  #listen(event: string, listener: (...args: unknown[]) => void): void {
    this.#listeners.push([event, listener]);
    this.#client.events.on(event, listener);
  }
}

/** @throws the error of a command. If the client is the wrong one for a cluster, the error says so. */
function explain(error: unknown): never {
  if (!(error instanceof Error && error.message.startsWith('MOVED'))) throw error;
  const wanted = 'createCluster() of redis, or Cluster of ioredis';
  const text = `this Redis is one node of a cluster, and needs a cluster client (${wanted}): ${error.message}`;
  throw new Error(text, { cause: error });
}

/** The Redis user may be allowed only the commands that earlier versions of this package sent. */
function unlessForbidden(error: unknown): undefined {
  if (error instanceof Error && error.message.startsWith('NOPERM')) return undefined;
  return explain(error);
}

/** A client may be configured to return values as buffers. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return Buffer.isBuffer(value) ? value.toString() : undefined;
}
