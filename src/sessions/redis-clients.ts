import { setImmediate as nextTurn } from 'node:timers/promises';
import { toError } from '../base/checks';

/**
 * A Redis client: of the package `redis` from version 2 (`createClient`, from version 4 also `createCluster`, from
 * version 5 also `createSentinel`), or of `ioredis` from version 5 (`Redis`, `Cluster`). The type declares what all of
 * them have, so that none of the packages need be installed. The store detects the client's kind at run time.
 */
export interface RedisClient {
  get(...args: never[]): unknown;
  ttl(...args: never[]): unknown;
  expire(...args: never[]): unknown;
  del(...args: never[]): unknown;
  on(...args: never[]): unknown;
  off(...args: never[]): unknown;
}

type Listener = (...args: unknown[]) => void;

interface Emitter {
  on(event: string, listener: Listener): this;
  off(event: string, listener: Listener): this;
}

/** A client of any kind, as the store uses it. */
export interface RedisConnection {
  /** Emits `error`, and `ready` if this kind of client has that event. */
  readonly events: Emitter;
  /** Whether this is a client of a Redis Cluster, of which a part may fail alone. */
  readonly isCluster: boolean;
  /** Whether anyone has opened the client. It need not be connected. */
  readonly isOpen: () => boolean;
  open(): Promise<unknown>;
  /** Does not wait for a server that may be gone. */
  close(): unknown;
  /**
   * Ends the connection as if it were lost, so that the client connects anew by its own rules. What waits in the client
   * stays there, and answers that are under way still come. Absent if the client finds the primary by itself.
   */
  readonly reconnect?: () => void;
  /** The value and its remaining life in seconds, requested in one write without a transaction. */
  read(key: string): Promise<readonly unknown[]>;
  /** With `GT`, never shortens the key's expiry. Redis before 7 does not know `GT`. */
  expire(key: string, seconds: number, ...mode: ExpireMode): Promise<unknown>;
  set(key: string, seconds: number, value: string): Promise<unknown>;
  /** Does nothing if the key exists. */
  setNew(key: string, seconds: number, value: string): Promise<unknown>;
  del(key: string): Promise<unknown>;
  /** Runs a Lua script on the server that has `keys`, all in one slot of a cluster. Resolves with its answer. */
  evaluate(script: string, keys: readonly string[], args: readonly string[]): Promise<unknown>;
}

type ExpireMode = [] | ['GT'];

/** Adapts a client; `undefined` when it is of no known kind. */
export function connectionOf(client: unknown): RedisConnection | undefined {
  if (isNodeRedis(client)) return ofNodeRedis(client);
  if (isIoRedis(client)) return ofIoRedis(client);
  if (isCallbackRedis(client)) return ofCallbackRedis(client);
  return undefined;
}

/** `redis` from version 4: every method returns a promise, and `connect()` opens the client. */
interface NodeRedis extends Emitter, NodeRedisCommands {
  readonly isOpen: boolean;
  connect(): Promise<unknown>;
}

interface NodeRedisCommands {
  get(key: string): Promise<unknown>;
  ttl(key: string): Promise<unknown>;
  expire(key: string, seconds: number, ...mode: ExpireMode): Promise<unknown>;
  setEx(key: string, seconds: number, value: string): Promise<unknown>;
  set(key: string, value: string, options: { EX: number; NX: true }): Promise<unknown>;
  del(key: string): Promise<unknown>;
}

const NODE_REDIS_COMMANDS = ['get', 'ttl', 'expire', 'setEx', 'set', 'del'] as const;

function isNodeRedis(value: unknown): value is NodeRedis {
  return has(value, [...NODE_REDIS_COMMANDS, 'connect', 'on', 'off']) &&
    typeof Reflect.get(value, 'isOpen') === 'boolean';
}

function ofNodeRedis(client: NodeRedis): RedisConnection {
  const commands = nodeRedisCommandsOf(client);
  let opening: Promise<unknown> = Promise.resolve();
  // `destroy` from version 5 on, `disconnect` in 4.
  const close = (): unknown => call(client, has(client, ['destroy']) ? 'destroy' : 'disconnect');
  const isCluster = has(client, ['nodeClient']);
  // Of `createClientPool`, from version 5 on.
  const isPool = typeof Reflect.get(client, 'totalClients') === 'number';
  const connection: RedisConnection = {
    events: client,
    isCluster,
    isOpen: () => client.isOpen,
    open: () => opening = client.connect(),
    // A cluster's client that is closed while it opens goes on opening connections.
    close: () => isCluster ? opening.then(close, () => {}) : close(),
    // `QUIT` would end one of a pool's connections, and the pool never opens another for it.
    ...(isCluster || isPool || isSentinel(commands) ? {} : { reconnect: () => quit(client, commands) }),
    // Commands of one turn of the event loop share a write.
    read: (key) => Promise.all([commands.get(key), commands.ttl(key)]),
    expire: (key, seconds, ...mode) => commands.expire(key, seconds, ...mode),
    set: (key, seconds, value) => commands.setEx(key, seconds, value),
    setNew: (key, seconds, value) => commands.set(key, value, { EX: seconds, NX: true }),
    del: (key) => commands.del(key),
    evaluate: (script, keys, args) => {
      if (!isCluster) return Promise.resolve(call(commands, 'eval', script, { keys, arguments: args }));
      // In version 4, `eval` of a cluster's client goes to a random node, and does not always get to the right one.
      const words = ['EVAL', script, String(keys.length), ...keys, ...args];
      return Promise.resolve(call(commands, 'sendCommand', keys[0], false, words));
    },
  };
  return isSentinel(commands) ? sharingOneLease(connection, commands) : connection;
}

function nodeRedisCommandsOf(client: NodeRedis): NodeRedisCommands {
  // In legacy mode (version 4) the client's own methods take callbacks. Outside of it, `v4` throws.
  const options: unknown = Reflect.get(client, 'options');
  if (has(options, []) && Reflect.get(options, 'legacyMode') === true) {
    const v4: unknown = Reflect.get(client, 'v4');
    if (isNodeRedisCommands(v4)) return v4;
  }
  // The client's timeout per command (by default 5 s in version 6) costs a fifth of a handshake, and the store has a
  // deadline in any case.
  if (!has(client, ['withCommandOptions'])) return client;
  const bare = call(client, 'withCommandOptions', { timeout: undefined });
  return isNodeRedisCommands(bare) ? bare : client;
}

/** The server ends the connection, and for the client that is a loss: its own `quit` would end the client. */
function quit(client: NodeRedis, commands: NodeRedisCommands): void {
  // If the client is not connected, it would send this to the next server.
  if (Reflect.get(client, 'isReady') !== true) return;
  void Promise.resolve(call(commands, 'sendCommand', ['QUIT'])).catch(() => {});
}

function isNodeRedisCommands(value: unknown): value is NodeRedisCommands {
  return has(value, NODE_REDIS_COMMANDS);
}

/** The client that `createSentinel` makes. */
interface Sentinel {
  multi(): { get(key: string): { ttl(key: string): { execAsPipeline(): Promise<unknown[]> } } };
}

function isSentinel(value: object): value is Sentinel {
  return has(value, ['getSentinelNode', 'multi']);
}

/**
 * A Sentinel client lends its connection to one command, and shares it with others only once it is lent. So each of
 * several commands in one turn would wait for the answer to the one before. Here the first command of a turn goes
 * alone, and the others go a turn later.
 */
function sharingOneLease(connection: RedisConnection, client: Sentinel): RedisConnection {
  let turn: Promise<void> | undefined;
  const start = async <T>(command: () => Promise<T>): Promise<T> => {
    if (turn) await turn;
    else turn = nextTurn().then(() => turn = undefined);
    return command();
  };
  return {
    ...connection,
    read: (key) => start(() => client.multi().get(key).ttl(key).execAsPipeline()),
    expire: (key, seconds, ...mode) => start(() => connection.expire(key, seconds, ...mode)),
    set: (key, seconds, value) => start(() => connection.set(key, seconds, value)),
    setNew: (key, seconds, value) => start(() => connection.setNew(key, seconds, value)),
    del: (key) => start(() => connection.del(key)),
    evaluate: (...args) => start(() => connection.evaluate(...args)),
  };
}

/** `Redis` and `Cluster` of `ioredis`. With `lazyConnect`, `connect()` opens the client, else its constructor does. */
interface IoRedis extends Emitter {
  readonly status: string;
  connect(): Promise<unknown>;
  disconnect(reconnect?: boolean): void;
  pipeline(): { get(key: string): { ttl(key: string): { exec(): Promise<[unknown, unknown][] | null> } } };
  expire(key: string, seconds: number, ...mode: ExpireMode): Promise<unknown>;
  setex(key: string, seconds: number, value: string): Promise<unknown>;
  set(key: string, value: string, ex: 'EX', seconds: number, nx: 'NX'): Promise<unknown>;
  del(key: string): Promise<unknown>;
}

function isIoRedis(value: unknown): value is IoRedis {
  const methods = ['get', 'ttl', 'expire', 'setex', 'set', 'del', 'pipeline', 'connect', 'disconnect', 'on', 'off'];
  return has(value, methods) && typeof Reflect.get(value, 'status') === 'string';
}

function ofIoRedis(client: IoRedis): RedisConnection {
  const isCluster: boolean = has(client, ['nodes']);
  return {
    events: client,
    isCluster,
    isOpen: () => client.status !== 'wait' && client.status !== 'end',
    open: () => client.connect(),
    close: () => client.disconnect(),
    ...(isCluster ? {} : { reconnect: () => client.disconnect(true) }),
    read: async (key) => {
      // Without a pipeline, each command would be a write of its own.
      const results = await client.pipeline().get(key).ttl(key).exec() ?? [];
      return results.map(([error, reply]) => {
        if (error) throw toError(error);
        return reply;
      });
    },
    expire: (key, seconds, ...mode) => client.expire(key, seconds, ...mode),
    set: (key, seconds, value) => client.setex(key, seconds, value),
    setNew: (key, seconds, value) => client.set(key, value, 'EX', seconds, 'NX'),
    del: (key) => client.del(key),
    evaluate: (script, keys, args) => Promise.resolve(call(client, 'eval', script, keys.length, ...keys, ...args)),
  };
}

type Callback<T> = (error: unknown, reply: T) => void;

/** `redis` 2 and 3: every method takes a callback, and the client is open from the start. */
interface CallbackRedis extends Emitter {
  batch(): { get(key: string): { ttl(key: string): { exec(callback: Callback<unknown[]>): void } } };
  expire(key: string, seconds: number, ...rest: [Callback<unknown>] | ['GT', Callback<unknown>]): void;
  setex(key: string, seconds: number, value: string, callback: Callback<unknown>): void;
  set(key: string, value: string, ex: 'EX', seconds: number, nx: 'NX', callback: Callback<unknown>): void;
  del(key: string, callback: Callback<unknown>): void;
}

function isCallbackRedis(value: unknown): value is CallbackRedis {
  return has(value, ['get', 'ttl', 'expire', 'setex', 'set', 'del', 'batch', 'end', 'on', 'off']) &&
    typeof Reflect.get(value, 'connected') === 'boolean';
}

function ofCallbackRedis(client: CallbackRedis): RedisConnection {
  return {
    events: client,
    isCluster: false,
    isOpen: () => true,
    open: () => Promise.resolve(),
    close: () => {},
    reconnect: () => {
      const stream: unknown = Reflect.get(client, 'stream');
      if (has(stream, ['end'])) call(stream, 'end');
    },
    read: async (key) => {
      // A batch is one write. It never fails as a whole: errors are among the replies.
      const replies = await answerOf<unknown[]>((callback) => client.batch().get(key).ttl(key).exec(callback));
      for (const reply of replies) if (reply instanceof Error) throw reply;
      return replies;
    },
    expire: (key, seconds, ...mode) => answerOf((callback) => client.expire(key, seconds, ...mode, callback)),
    set: (key, seconds, value) => answerOf((callback) => client.setex(key, seconds, value, callback)),
    setNew: (key, seconds, value) => answerOf((callback) => client.set(key, value, 'EX', seconds, 'NX', callback)),
    del: (key) => answerOf((callback) => client.del(key, callback)),
    evaluate: (script, keys, args) => answerOf((callback) => {
      call(client, 'eval', script, keys.length, ...keys, ...args, callback);
    }),
  };
}

function answerOf<T>(ask: (callback: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    ask((error, reply) => {
      if (error) reject(toError(error));
      else resolve(reply);
    });
  });
}

/** A text that a client returns, which may be configured to return buffers; `undefined` if it is none. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return Buffer.isBuffer(value) ? value.toString() : undefined;
}

function has(value: unknown, methods: readonly string[]): value is object {
  return typeof value === 'object' && value !== null &&
    methods.every((name) => typeof Reflect.get(value, name) === 'function');
}

function call(target: object, method: string, ...args: unknown[]): unknown {
  const value: unknown = Reflect.get(target, method);
  return typeof value === 'function' ? Reflect.apply(value, target, args) : undefined;
}
