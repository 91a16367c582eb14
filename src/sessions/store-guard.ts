import { EventEmitter } from 'node:events';
import createDebug from 'debug';
import { toError } from '../base/checks';
import { startDeadline } from '../base/deadline';
import { observe, type HistogramTotals } from '../base/histogram';
import { LateCalls } from './late-calls';
import { pause } from '../base/pause';
import type { SessionStore, StoredBinding } from './session-store';
import { StoreProbe, type Finding } from './store-probe';
import { createTotals, type Totals } from '../base/totals';

const debug = createDebug('socket.io-proxy:store');

/** Pause between two looks at a store that failed, and how long it may take to open, in ms. */
const PROBE_INTERVAL = 500;
const OPEN_TIMEOUT = 10_000;

/** The share of `storeTimeout` that a look-up may take: with the default, its request is answered within a second. */
const READ_SHARE = 0.8;

export interface StoreGuardEvents {
  /** The store has failed; the first of a row of failures. */
  degraded: [error: Error];
  /** The store works again, after it had failed. */
  recovered: [];
  /** The store has just been connected, or works again, as a whole or in part: what it held may be gone. */
  ready: [];
  /** A call has failed, but the store works: what was not stored can be. */
  trusted: [];
}

/** What a call rejects with that the store did not answer in time, or was not asked since it is known to fail. */
export class StoreError extends Error {
  override name = 'StoreError';
}

/**
 * A session store with deadlines: no call waits longer than `storeTimeout`, and none waits at all while the store is
 * known not to answer. A call that fails is no proof, since its sid may have chosen that (a slot of a cluster that
 * nobody serves): the store is then asked for sids of the proxy's own, and has failed when all of these fail.
 */
export class StoreGuard extends EventEmitter<StoreGuardEvents> {
  readonly #store: SessionStore;
  readonly #timeout: number;
  readonly #totals: Totals['store'];
  readonly #probe: StoreProbe;
  readonly #late: LateCalls;
  readonly #closing = new AbortController();
  /** Give up the calls that wait for an answer. */
  readonly #waiting = new Set<(reason: string) => void>();
  #started = false;
  /** It is opened, or being opened: not again, before that has failed. */
  #opened = false;
  /** Why it may have failed. */
  #doubt: Error | undefined;
  #degraded = false;
  /** The store answers nothing, where a degraded one may still answer reads (`READONLY`, `OOM`). */
  #silent = false;
  /** What it held may be gone, at least in part. */
  #mayHaveLost = false;
  #looking = false;
  /** Ends the pause before the next look at the store. */
  #wake: () => void = () => {};

  /** @param totals where calls and failures are counted. */
  constructor(store: SessionStore, timeout: number, totals = createTotals().store) {
    super();
    this.#totals = totals;
    this.#store = store;
    this.#timeout = timeout;
    this.#probe = new StoreProbe(store);
    this.#late = new LateCalls(store);
    // From now on, as an error that nobody listens for would end the process.
    store.watch?.(
      // A client's errors are those of its connection, not of one command: but a cluster's client has many.
      (error) => store.partOf ? this.#suspect(error) : this.#fail(error),
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
    // It may have failed before, and was not to be asked yet.
    if (this.#degraded || this.#doubt) void this.#look();
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
      return await this.#ask(sid, () => this.#store.find(sid, ttl), this.#timeout * READ_SHARE, this.#totals.find);
    } catch (error) {
      this.#suspect(toError(error));
      throw error;
    }
  }

  /** What the store holds, left as it is where it can tell without. Rejects as `find` does. */
  async inspect(sid: string): Promise<StoredBinding | undefined> {
    if (this.#silent) throw new StoreError('the session store does not answer');
    return this.#ask(sid, async () => {
      if (this.#store.inspect) return this.#store.inspect(sid);
      const host = await this.#store.find(sid, 1);
      return host === undefined ? undefined : { host, expiresIn: undefined };
    });
  }

  /** Whether the binding was stored. Never rejects. */
  async bind(sid: string, host: string, ttl: number): Promise<boolean> {
    if (this.#degraded) return false;
    return this.#write(sid, () => this.#store.bind(sid, host, ttl), this.#totals.bind);
  }

  /** Binds a sid unless it is bound: in one step where the store can. Whether that was done. Never rejects. */
  async restore(sid: string, host: string, ttl: number): Promise<boolean> {
    if (this.#degraded) return false;
    const restore = (): Promise<void> => this.#store.restore?.(sid, host, ttl) ?? this.#store.bind(sid, host, ttl);
    return this.#write(sid, restore, this.#totals.bind);
  }

  /** Forgets a sid where the store can be asked. Never rejects. */
  async unbind(sid: string): Promise<void> {
    if (!this.#degraded) await this.#write(sid, () => this.#store.unbind(sid), this.#totals.unbind);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const closed = this.#within(async () => this.#store.close?.(), this.#timeout);
    await closed.catch((error: unknown) => debug('close: %s', toError(error).message));
  }

  async #write(sid: string, write: () => Promise<void>, histogram: HistogramTotals): Promise<boolean> {
    try {
      await this.#ask(sid, write, this.#timeout, histogram);
      return true;
    } catch (error) {
      this.#suspect(toError(error));
      return false;
    }
  }

  /** Rejects at once where too much that was asked before is unanswered. */
  async #ask<T>(sid: string, ask: () => Promise<T>, ms = this.#timeout, histogram?: HistogramTotals): Promise<T> {
    const refusal = this.#late.refusal(sid);
    if (refusal !== undefined) throw new StoreError(refusal);
    const since = performance.now();
    try {
      return await this.#within(ask, ms, (answer) => this.#late.add(sid, answer));
    } finally {
      if (histogram) observe(histogram, (performance.now() - since) / 1000);
    }
  }

  /** Rejects when it has not been answered within the deadline; what is answered then is of no interest. */
  async #within<T>(ask: () => Promise<T>, ms: number, onLate?: (answer: Promise<T>) => void): Promise<T> {
    const answer = ask();
    let giveUp: (reason: string) => void = () => {};
    const late = new Promise<never>((_, reject) => {
      giveUp = (reason) => {
        this.#waiting.delete(giveUp);
        onLate?.(answer);
        reject(new StoreError(reason));
      };
    });
    const cancel = startDeadline(ms, () => giveUp(`the session store did not answer within ${ms} ms`));
    // What opens or closes the store is not given up with what it is asked.
    if (onLate) this.#waiting.add(giveUp);
    try {
      return await Promise.race([answer, late]);
    } finally {
      cancel();
      this.#waiting.delete(giveUp);
    }
  }

  /** Something has failed: whether the store has, is to be seen. */
  #suspect(error: Error): void {
    this.#totals.failures += 1;
    if (this.#closing.signal.aborted) return;
    this.#doubt = error;
    void this.#look();
  }

  /** The store itself, or its connection, says that it has failed. */
  #fail(error: Error): void {
    this.#totals.failures += 1;
    this.#degrade(error, true);
    void this.#look();
  }

  #degrade(error: Error, silent: boolean): void {
    if (this.#closing.signal.aborted) return;
    this.#silent = silent;
    if (silent) for (const giveUp of this.#waiting) giveUp('the session store does not answer');
    if (this.#degraded) return;
    this.#degraded = true;
    this.#mayHaveLost = true;
    debug('degraded: %s', error.message);
    this.emit('degraded', error);
  }

  /** Looks at the store until it works as a whole. */
  async #look(): Promise<void> {
    if (this.#looking || !this.#started) return;
    this.#looking = true;
    const { signal } = this.#closing;
    this.#probe.renew();
    // At once where it is in doubt only.
    if (this.#degraded) await this.#rest();
    while (!signal.aborted && (this.#degraded || this.#doubt)) {
      await this.#lookOnce();
      if (this.#degraded || this.#doubt) await this.#rest();
    }
    this.#looking = false;
  }

  async #lookOnce(): Promise<void> {
    try {
      if (!this.#opened) await this.#within(() => this.#open(), OPEN_TIMEOUT);
    } catch {
      return;
    }
    const wasDegraded = this.#degraded;
    const doubt = this.#doubt;
    const finding = await this.#probe.look(this.#timeout, () => this.#recover());
    if (this.#closing.signal.aborted) return;
    // READONLY and OOM are answers: reads may go on.
    if (finding.writes === 0 || finding.reads === 0) {
      this.#degrade(doubt ?? new StoreError('the session store fails'), finding.reads === 0);
    } else if (!this.#degraded) {
      // Else its connection has failed just now.
      this.#settle(finding, wasDegraded);
    }
    // What has failed meanwhile is to be looked at again.
    if (finding.whole && this.#doubt === doubt) this.#doubt = undefined;
  }

  /** The store works, or a part of it does. */
  #settle({ whole }: Finding, recovered: boolean): void {
    const mayHaveLost = this.#mayHaveLost;
    this.#mayHaveLost = !whole;
    if (whole) {
      this.#late.forgive(mayHaveLost);
    } else {
      this.#doubt ??= new StoreError('a part of the session store fails');
      // What it has not answered while it failed it may have lost.
      if (recovered) this.#probe.renew(true);
    }
    if (recovered || (whole && mayHaveLost)) this.emit('ready');
    else if (whole) this.emit('trusted');
  }

  #rest(): Promise<boolean> {
    const waking = new AbortController();
    this.#wake = () => waking.abort();
    const signal = AbortSignal.any([this.#closing.signal, waking.signal]);
    return pause(PROBE_INTERVAL, signal);
  }

  /** A connection does not mean that the store serves: it may be loading its data, or take no writes. */
  #connected(): void {
    if (this.#degraded) this.#wake();
    else this.emit('ready');
  }

  #recover(): void {
    if (!this.#degraded || this.#closing.signal.aborted) return;
    this.#degraded = false;
    this.#silent = false;
    debug('recovered');
    this.emit('recovered');
  }
}
