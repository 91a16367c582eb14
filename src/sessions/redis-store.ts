import { inspect } from 'node:util';
import { toError } from '../base/checks';
import { connectionOf, textOf, type RedisClient, type RedisConnection } from './redis-clients';
import { explain, shortened, unlessForbidden, withoutSids } from './redis-errors';
import { RedisFailover } from './redis-failover';
import { slotOf } from './redis-slots';
import type { SessionStore, StoredBinding } from './session-store';
import { mayRelease } from './whole-store';

export type { RedisClient };

/**
 * Binds a key that is unknown, bound to the same host, or to one whose session has ended. Never shortens the expiry of
 * the same host. Answers with the host by then.
 */
const CLAIM = `
local bound = redis.call('GET', KEYS[1])
if bound and bound ~= ARGV[1] and bound ~= ARGV[3] then return bound end
local left = bound == ARGV[1] and redis.call('PTTL', KEYS[1]) or 0
if left ~= -1 then redis.call('SET', KEYS[1], ARGV[1], 'PX', math.max(tonumber(ARGV[2]), left)) end
return ARGV[1]
`;

/** Deletes a key that is bound to a host and expires within a time, in ms. */
const RELEASE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then return 0 end
return redis.call('DEL', KEYS[1])
`;

/** The user may not run scripts, or a command in them, or the command is renamed. */
const REFUSES_SCRIPTS = /NOPERM|unknown command|does not know a command|can't run this command/i;

/** How long no script is tried after Redis has refused one, in ms. */
const SCRIPTS_PAUSE = 60_000;

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
  /** From when on scripts are tried. */
  #scriptsAt = -Infinity;
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
    this.#failover = new RedisFailover(withoutSids(connection, keyPrefix));
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
    // Usually the sid is new, and this is the only round trip.
    if (over === undefined) {
      const answer = textOf(await this.#client.setNew(key, ttl, host).catch(unlessForbidden));
      if (answer === 'OK') return host;
    }
    return this.#claim(key, host, ttl, over ?? host);
  }

  async release(sid: string, host: string, expiresIn: number): Promise<void> {
    if (this.#opening) await this.#opening;
    const key = this.#keyPrefix + sid;
    const ms = String(Math.ceil(expiresIn * 1000));
    if (await this.#run(RELEASE, key, [host, ms]) !== undefined) return;
    const found = await this.#read(key);
    if (mayRelease(found, host, expiresIn)) await this.#client.del(key).catch(explain);
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
      if (!this.#failover.expects()) failed(shortened(error));
    });
    // Clients of a cluster tell by these alone why they do not get to a node (`redis` from 5 on, and `ioredis`).
    for (const event of ['node-error', 'node error']) this.#listen(event, (error) => failed(shortened(error)));
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

  async #claim(key: string, host: string, ttl: number, over: string): Promise<string> {
    const bound = await this.#run(CLAIM, key, [host, String(ttl * 1000), over]);
    if (bound !== undefined) return textOf(bound) ?? host;
    const found = await this.#read(key);
    if (found && found.host !== host && found.host !== over) return found.host;
    await this.#set(key, Math.max(ttl, found?.host === host ? found.expiresIn ?? 0 : 0), host);
    return host;
  }

  /** The answer of a script; `undefined` if the Redis user may not run it: then several commands have to do. */
  async #run(script: string, key: string, args: readonly string[]): Promise<unknown> {
    if (performance.now() < this.#scriptsAt) return undefined;
    try {
      return await this.#client.evaluate(script, [key], args);
    } catch (error) {
      const { message } = toError(error);
      // A key of another type is no binding. The commands tell so.
      if (message.includes('WRONGTYPE')) return undefined;
      if (!REFUSES_SCRIPTS.test(message)) return explain(error);
      this.#scriptsAt = performance.now() + SCRIPTS_PAUSE;
      return undefined;
    }
  }

  async #openClient(): Promise<void> {
    let reason: unknown;
    const onError = (error: unknown): unknown => reason = error;
    this.#client.events.on('error', onError);
    try {
      await this.#client.open();
    } catch (error) {
      // A cluster's client only says that it could use no node, and has told why before.
      throw shortened(this.#client.isCluster && reason !== undefined ? reason : error);
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
