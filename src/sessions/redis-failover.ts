import { startDeadline } from '../base/deadline';
import { toError } from '../base/checks';
import type { RedisConnection } from './redis-clients';
import { WritesRefusedError } from './session-store';

/** The pause between two new connections, in ms: doubled after each one that led to the same answer. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 10_000;

/** How long calls wait for a new connection, in ms. */
const CONNECT_TIMEOUT = 5000;

/**
 * How a server's answer begins if this server is not the place to write any more, and its name may lead to another one.
 * `READONLY`: it became a replica. `MASTERDOWN`: it is a replica without a primary. `NOREPLICAS`: it lost its replicas,
 * perhaps to a new primary. `UNBLOCKED`: it became a replica during the call. `REDIRECT`: the same, as Valkey says it.
 *
 * Others pass where they are, or need an operator: `LOADING`, `BUSY`, `TRYAGAIN`, `CLUSTERDOWN`, `OOM`, `MISCONF`,
 * `NOAUTH`, `NOPERM`. A new connection would meet them again.
 */
const ELSEWHERE = /^-?(?:READONLY|MASTERDOWN|NOREPLICAS|UNBLOCKED|REDIRECT)\b/;

/** Whether an answer means that this server is not the place to write any more. */
export function meansElsewhere(error: unknown): boolean {
  return ELSEWHERE.test(toError(error).message);
}

/**
 * Follows a failover that leaves the connection open: the old primary became a replica, and refuses every write. The
 * client then connects anew, by name, until a server takes writes. Calls wait meanwhile, so that none is lost.
 */
export class RedisFailover {
  /** The connection, which follows failovers. */
  readonly connection: RedisConnection;
  /** Called with each refusal. */
  refused: (error: WritesRefusedError) => void = () => {};
  readonly #original: RedisConnection;
  /** Resolves when the client has connected anew, or could not. */
  #connecting: Promise<void> | undefined;
  /** Whether the client is about to report the end of the connection, which is no failure. */
  #ending = false;
  /** Ends the wait for the new connection. */
  #giveUp = (): void => {};
  #closed = false;
  #pause = FIRST_PAUSE;
  #next = -Infinity;

  constructor(connection: RedisConnection) {
    this.#original = connection;
    this.connection = {
      ...connection,
      read: (key) => this.#ask(() => connection.read(key)),
      expire: (key, seconds, ...mode) => this.#ask(() => connection.expire(key, seconds, ...mode)),
      set: (...args) => this.#write(() => connection.set(...args)),
      setNew: (...args) => this.#write(() => connection.setNew(...args)),
      del: (key) => this.#write(() => connection.del(key)),
      evaluate: (...args) => this.#write(() => connection.evaluate(...args)),
    };
  }

  /** Whether an `error` of the client only tells of the end that this class has brought about. */
  expects(): boolean {
    return this.#ending;
  }

  /** Opens nothing any more. */
  close(): void {
    this.#closed = true;
    this.#giveUp();
  }

  async #write<T>(call: () => Promise<T>): Promise<T> {
    const answer = await this.#ask(call);
    this.#pause = FIRST_PAUSE;
    return answer;
  }

  async #ask<T>(call: () => Promise<T>): Promise<T> {
    if (this.#connecting) await this.#connecting;
    try {
      return await call();
    } catch (error) {
      if (!meansElsewhere(error) || this.#original.isCluster) throw error;
      throw this.#refuse(toError(error));
    }
  }

  #refuse(cause: Error): WritesRefusedError {
    const { reconnect } = this.#original;
    const remedy = reconnect
      ? 'The proxy connects to it anew, until its name leads to the primary'
      : 'If its client does not find the primary, make the client connect anew';
    const error = new WritesRefusedError(`this Redis takes no writes any more. ${remedy}: ${cause.message}`, { cause });
    this.refused(error);
    const now = performance.now();
    if (!reconnect || this.#closed || this.#connecting || now < this.#next) return error;
    this.#next = now + this.#pause;
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    this.#connecting = this.#reconnect(reconnect).finally(() => this.#connecting = undefined);
    return error;
  }

  /** Resolves when the client has connected anew, or could not. Never rejects. */
  async #reconnect(reconnect: () => unknown): Promise<void> {
    const { events } = this.#original;
    const done = new Promise<void>((resolve) => {
      this.#giveUp = resolve;
    });
    const cancel = startDeadline(CONNECT_TIMEOUT, this.#giveUp);
    const onReconnecting = (): boolean => this.#ending = false;
    const onEnd = (): void => {
      if (!this.#ending) this.#giveUp();
      // A client that is told not to reconnect by itself has ended for good.
      else if (!this.#original.isOpen() && !this.#closed) void this.#open();
    };
    this.#ending = true;
    events.on('reconnecting', onReconnecting).on('error', onEnd).on('end', onEnd).on('ready', this.#giveUp);
    reconnect();
    await done;
    cancel();
    this.#ending = false;
    events.off('reconnecting', onReconnecting).off('error', onEnd).off('end', onEnd).off('ready', this.#giveUp);
  }

  async #open(): Promise<void> {
    this.#ending = false;
    await this.#original.open().catch(() => {});
    this.#giveUp();
  }
}
