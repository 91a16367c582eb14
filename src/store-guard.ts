import { EventEmitter } from 'node:events';
import createDebug from 'debug';
import { toError } from './checks';
import { startDeadline } from './deadline';
import { observe, type HistogramTotals } from './histogram';
import { pause } from './pause';
import type { SessionStore, StoredBinding } from './session-store';
import { createTotals, type Totals } from './totals';

const debug = createDebug('socket.io-proxy:store');

/** Pause between two attempts to reach a store that failed, and how long one may take, in ms. */
const PROBE_INTERVAL = 500;
const PROBE_TIMEOUT = 10_000;

/** The share of `storeTimeout` that a look-up may take: with the default, its request is answered within a second. */
const READ_SHARE = 0.8;

/** How many calls may be left unanswered: a client keeps what it cannot send, for as long as it takes. */
const MAX_LATE = 10_000;

export interface StoreGuardEvents {
  /** The store has failed; the first of a row of failures. */
  degraded: [error: Error];
  /** The store works again, after it had failed. */
  recovered: [];
  /** The store has just been connected, or works again: what it held may be gone. */
  ready: [];
}

/** What a call rejects with that the store did not answer in time, or was not asked since it is known to fail. */
export class StoreError extends Error {
  override name = 'StoreError';
}

/**
 * A session store with deadlines: no call waits longer than `storeTimeout`, and none waits at all while the store is
 * known not to answer. Then only one call at a time is on its way, to learn when it is back.
 */
export class StoreGuard extends EventEmitter<StoreGuardEvents> {
  readonly #store: SessionStore;
  readonly #timeout: number;
  readonly #totals: Totals['store'];
  readonly #closing = new AbortController();
  #started = false;
  /** It is opened, or being opened: not again, before that has failed. */
  #opened = false;
  #degraded = false;
  /** How many calls have missed their deadline, and still have not ended. */
  #late = 0;
  /** The store answers nothing, where a degraded one may still answer reads (`READONLY`, `OOM`). */
  #silent = false;
  /** Ends the pause before the next attempt to reach the store. */
  #wake: () => void = () => {};

  /** @param totals where calls and failures are counted. */
  constructor(store: SessionStore, timeout: number, totals = createTotals().store) {
    super();
    this.#totals = totals;
    this.#store = store;
    this.#timeout = timeout;
    // From now on, as an error that nobody listens for would end the process.
    store.watch?.(
      (error) => {
        // A client's errors are those of its connection, not of one command.
        this.#silent = true;
        this.#fail(error);
      },
      () => this.#connected(),
    );
  }

  get degraded(): boolean {
    return this.#degraded;
  }

  /** Opens the store. */
  start(): void {
    this.#started = true;
    void this.#open().catch((error: unknown) => this.#fail(toError(error)));
    if (!this.#degraded) return;
    // It has failed before, and was not to be asked yet.
    void this.#probe();
    this.#wake();
  }

  async #open(): Promise<void> {
    this.#opened = true;
    try {
      await this.#store.open?.();
    } catch (error) {
      this.#opened = false;
      throw error;
    }
  }

  /** The bound host. Rejects when the store can't be asked, or does not answer in time. */
  async find(sid: string, ttl: number): Promise<string | undefined> {
    if (this.#silent) throw new StoreError('the session store does not answer');
    try {
      return await this.#within(() => this.#store.find(sid, ttl), this.#timeout * READ_SHARE, this.#totals.find);
    } catch (error) {
      this.#silent = true;
      this.#fail(toError(error));
      throw error;
    }
  }

  /** What the store holds, left as it is where it can tell without. Rejects as `find` does. */
  async inspect(sid: string): Promise<StoredBinding | undefined> {
    if (this.#silent) throw new StoreError('the session store does not answer');
    return this.#within(async () => {
      if (this.#store.inspect) return this.#store.inspect(sid);
      const host = await this.#store.find(sid, 1);
      return host === undefined ? undefined : { host, expiresIn: undefined };
    });
  }

  /** Whether the binding was stored. Never rejects. */
  async bind(sid: string, host: string, ttl: number): Promise<boolean> {
    if (this.#degraded) return false;
    return this.#write(() => this.#store.bind(sid, host, ttl), this.#totals.bind);
  }

  /** Binds a sid unless it is bound: in one step where the store can. Whether that was done. Never rejects. */
  async restore(sid: string, host: string, ttl: number): Promise<boolean> {
    if (this.#degraded) return false;
    const restore = (): Promise<void> => this.#store.restore?.(sid, host, ttl) ?? this.#store.bind(sid, host, ttl);
    return this.#write(restore, this.#totals.bind);
  }

  /** Forgets a sid where the store can be asked. Never rejects. */
  async unbind(sid: string): Promise<void> {
    if (!this.#degraded) await this.#write(() => this.#store.unbind(sid), this.#totals.unbind);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const closed = this.#within(async () => this.#store.close?.());
    await closed.catch((error: unknown) => debug('close: %s', toError(error).message));
  }

  async #write(write: () => Promise<void>, histogram: HistogramTotals): Promise<boolean> {
    try {
      await this.#within(write, this.#timeout, histogram);
      return true;
    } catch (error) {
      if (error instanceof StoreError) this.#silent = true;
      this.#fail(toError(error));
      return false;
    }
  }

  /** Rejects when the store has not answered within the deadline; what it answers then is of no interest. */
  async #within<T>(ask: () => Promise<T>, ms = this.#timeout, histogram?: HistogramTotals): Promise<T> {
    if (this.#late >= MAX_LATE) throw new StoreError(`the session store has ${MAX_LATE} calls left to answer`);
    let callOff = (): void => {};
    const since = performance.now();
    const answer = ask();
    const late = new Promise<never>((_, reject) => {
      callOff = startDeadline(ms, () => {
        this.#late += 1;
        const ended = (): number => this.#late -= 1;
        answer.then(ended, ended);
        reject(new StoreError(`the session store did not answer within ${ms} ms`));
      });
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      callOff();
      if (histogram) observe(histogram, (performance.now() - since) / 1000);
    }
  }

  #fail(error: Error): void {
    this.#totals.failures += 1;
    if (this.#degraded || this.#closing.signal.aborted) return;
    this.#degraded = true;
    debug('degraded: %s', error.message);
    this.emit('degraded', error);
    if (this.#started) void this.#probe();
  }

  /** Asks the store until it answers, one call at a time: one that hangs is left to end when the store is back. */
  async #probe(): Promise<void> {
    const { signal } = this.#closing;
    while (this.#degraded) {
      await this.#rest();
      if (signal.aborted) return;
      try {
        if (!this.#opened) await this.#within(() => this.#open(), PROBE_TIMEOUT);
        // The empty sid is never bound by a proxy, so this writes, reads and leaves nothing.
        await this.#within(() => this.#store.bind('', '', 1), PROBE_TIMEOUT);
        this.#recover();
      } catch {
        // What was answered with an error was answered: reads may go on.
        if (await this.#answersReads()) this.#silent = false;
      }
    }
  }

  #rest(): Promise<boolean> {
    const waking = new AbortController();
    this.#wake = () => waking.abort();
    const signal = AbortSignal.any([this.#closing.signal, waking.signal]);
    return pause(PROBE_INTERVAL, signal);
  }

  async #answersReads(): Promise<boolean> {
    return this.#within(() => this.#store.find('', 1)).then(() => true, () => false);
  }

  /** A connection does not mean that the store serves: it may be loading its data, or take no writes. */
  #connected(): void {
    if (this.#degraded) this.#wake();
    else this.emit('ready');
  }

  #recover(): void {
    if (this.#closing.signal.aborted) return;
    this.#degraded = false;
    this.#silent = false;
    debug('recovered');
    this.emit('recovered');
    this.emit('ready');
  }
}
