import { EventEmitter } from 'node:events';
import createDebug from 'debug';
import { toError } from '../base/checks';
import { observe, type HistogramTotals } from '../base/histogram';
import { LateCalls } from './late-calls';
import { failureKind, moreTelling, Outage } from './outage';
import { pause } from '../base/pause';
import { WritesRefusedError, type SessionStore, type StoredBinding } from './session-store';
import { StoreCalls, StoreError } from './store-calls';
import { StoreProbe, type ProbeResult } from './store-probe';
import { createTotals, type Totals } from '../base/totals';
import { wholeOf, type WholeStore } from './whole-store';

const debug = createDebug('socket.io-proxy:store');

/** The pause between two probes of a failed store, and how long a store may take to open, in ms. */
const PROBE_INTERVAL = 500;
const OPEN_TIMEOUT = 10_000;

/** The fraction of `storeTimeout` that a look-up may take: by default, its request is answered within a second. */
const READ_SHARE = 0.8;

export interface StoreGuardEvents {
  /** The store has failed. Emitted again if a later failure of the same outage says more of the cause. */
  degraded: [error: Error];
  /** The store works again after it had failed. */
  recovered: [];
  /** The store was just connected, or works again as a whole or in part. Its contents may be gone. */
  ready: [];
  /** A call has failed, but the store works: bindings that were not stored can be stored. */
  writable: [];
}

/**
 * A session store with deadlines. No call waits longer than `storeTimeout`, and none waits at all while the store is
 * known not to answer. One failed call proves nothing, since the client's sid may cause it (a slot of a cluster that no
 * node serves). The store is then probed with sids of the proxy's own, and has failed when all of these fail.
 *
 * | State | Fields | Asked | Begins with |
 * |---|---|---|---|
 * | works | neither `#doubt` nor `#degraded` | for all | a probe that succeeds as a whole |
 * | in doubt | `#doubt` | for all | a call that fails, or a part: by its report, or in a probe |
 * | degraded, but read | `#degraded` | for reads | a report of `WritesRefusedError`, or a probe without any write |
 * | silent | `#degraded` and `#silent` | for nothing | another report of the store, or a probe without any read |
 *
 * All but the first are probed again and again. A probe with a write and a read ends the last two, whatever else fails.
 */
export class StoreGuard extends EventEmitter<StoreGuardEvents> {
  readonly #store: SessionStore;
  readonly #whole: WholeStore;
  readonly #timeout: number;
  readonly #totals: Totals['store'];
  readonly #probe: StoreProbe;
  readonly #late: LateCalls;
  readonly #closing = new AbortController();
  readonly #calls = new StoreCalls();
  #started = false;
  /** Whether the store is open or opening. It is opened again only after that has failed. */
  #opened = false;
  /** Why the store may have failed. */
  #doubt: Error | undefined;
  #degraded = false;
  readonly #outage = new Outage();
  /** Whether the store answers nothing. A degraded store may still answer reads (`READONLY`, `OOM`). */
  #silent = false;
  /** Whether the store's contents may be gone, at least in part. */
  #mayHaveLost = false;
  #probing = false;
  /** When the store was last probed, by `performance.now()`. */
  #probedAt = -Infinity;
  /** Ends the pause before the next probe. */
  #wake: () => void = () => {};

  /** @param totals where calls and failures are counted. */
  constructor(store: SessionStore, timeout: number, totals = createTotals().store) {
    super();
    this.#totals = totals;
    this.#store = store;
    this.#whole = wholeOf(store);
    this.#timeout = timeout;
    this.#probe = new StoreProbe(store);
    this.#late = new LateCalls(store);
    // Already here, because an `error` event without a listener would end the process.
    store.watch?.(
      // A client's `error` concerns its connection, not one command. But a cluster's client has many connections.
      (error) => store.partOf ? this.#suspect(error) : this.#fail(error),
      () => this.#connected(),
    );
  }

  get degraded(): boolean {
    return this.#degraded;
  }

  start(): void {
    this.#started = true;
    void this.#open().catch((error: unknown) => this.#fail(toError(error)));
    // The store may have failed before, when it could not be probed yet.
    if (this.#degraded || this.#doubt) void this.#probeUntilWhole();
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

  /** The bound host. Rejects when the store cannot be asked or does not answer in time. */
  async find(sid: string, ttl: number): Promise<string | undefined> {
    if (this.#silent) throw new StoreError('the session store does not answer');
    try {
      return await this.#ask(sid, () => this.#whole.find(sid, ttl), this.#timeout * READ_SHARE, this.#totals.find);
    } catch (error) {
      this.#suspect(toError(error));
      throw error;
    }
  }

  /** The store's binding, not renewed if the store has `inspect`. Rejects as `find` does. */
  async inspect(sid: string): Promise<StoredBinding | undefined> {
    if (this.#silent) throw new StoreError('the session store does not answer');
    return this.#ask(sid, () => this.#whole.inspect(sid));
  }

  /** Binds a sid unless it is bound. The host that it is bound to by then; `undefined` on a failure. Never rejects. */
  async claim(sid: string, host: string, ttl: number, over?: string): Promise<string | undefined> {
    if (this.#degraded) return undefined;
    let bound: string | undefined;
    await this.#write(sid, async () => {
      bound = await this.#whole.claim(sid, host, ttl, over);
    }, this.#totals.bind);
    return bound;
  }

  /** Forgets a sid as `SessionStore.release` does, if the store can be asked. Never rejects. */
  async release(sid: string, host: string, expiresIn: number): Promise<void> {
    if (this.#degraded) return;
    await this.#write(sid, () => this.#whole.release(sid, host, expiresIn), this.#totals.unbind);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const closed = this.#calls.within(async () => this.#store.close?.(), this.#timeout);
    await closed.catch((error: unknown) => debug('close: %s', toError(error).message));
  }

  async #write(sid: string, write: () => Promise<void>, histogram: HistogramTotals): Promise<void> {
    try {
      await this.#ask(sid, write, this.#timeout, histogram);
    } catch (error) {
      this.#suspect(toError(error));
    }
  }

  /** Rejects at once when too many earlier calls are unanswered. */
  async #ask<T>(sid: string, ask: () => Promise<T>, ms = this.#timeout, histogram?: HistogramTotals): Promise<T> {
    const refusal = this.#late.refusal(sid);
    if (refusal !== undefined) throw new StoreError(refusal);
    const since = performance.now();
    try {
      return await this.#calls.within(ask, ms, (answer) => this.#late.add(sid, answer));
    } finally {
      if (histogram) observe(histogram, (performance.now() - since) / 1000);
    }
  }

  /** Called when a call has failed: probes whether the store has failed. */
  #suspect(error: Error): void {
    this.#totals.failures += 1;
    if (this.#closing.signal.aborted) return;
    this.#doubt = moreTelling(this.#doubt, error);
    void this.#probeUntilWhole();
  }

  /** Called when the store itself, or its connection, reports a failure. */
  #fail(error: Error): void {
    this.#totals.failures += 1;
    // A store that only refuses writes is still asked for what it has.
    const isSilent = !(error instanceof WritesRefusedError);
    if (isSilent || !this.#degraded) this.#degrade(error, isSilent);
    else this.#tell(error);
    void this.#probeUntilWhole();
  }

  #degrade(error: Error, silent: boolean): void {
    if (this.#closing.signal.aborted) return;
    this.#silent = silent;
    if (silent) this.#calls.giveUp('the session store does not answer');
    this.#degraded = true;
    this.#mayHaveLost = true;
    this.#tell(error);
  }

  #tell(error: Error): void {
    if (this.#closing.signal.aborted || !this.#outage.isNews(failureKind(error))) return;
    debug('degraded: %s', error.message);
    this.emit('degraded', error);
  }

  async #probeUntilWhole(): Promise<void> {
    if (this.#probing || !this.#started) return;
    this.#probing = true;
    const { signal } = this.#closing;
    this.#probe.renew();
    // A store that is only in doubt is probed at once, but not for each call that somebody lets fail.
    if (this.#degraded || performance.now() - this.#probedAt < PROBE_INTERVAL) await this.#rest();
    while (!signal.aborted && (this.#degraded || this.#doubt)) {
      await this.#probeOnce();
      this.#probedAt = performance.now();
      if (this.#degraded || this.#doubt) await this.#rest();
    }
    this.#probing = false;
  }

  async #probeOnce(): Promise<void> {
    try {
      if (!this.#opened) await this.#calls.within(() => this.#open(), OPEN_TIMEOUT);
    } catch (error) {
      if (this.#degraded) this.#tell(toError(error));
      return;
    }
    const wasDegraded = this.#degraded;
    const doubt = this.#doubt;
    const finding = await this.#probe.look(this.#timeout, () => this.#recover());
    if (this.#closing.signal.aborted) return;
    // READONLY and OOM are answers: reads may go on.
    if (finding.writes === 0 || finding.reads === 0) {
      const error = finding.error ? moreTelling(doubt, finding.error) : doubt;
      this.#degrade(error ?? new StoreError('the session store fails'), finding.reads === 0);
    } else if (!this.#degraded) {
      // A store that is still degraded has lost its connection just now.
      this.#settle(finding, wasDegraded);
    }
    // A call that has failed in the meantime needs another probe.
    if (finding.whole && this.#doubt === doubt) this.#doubt = undefined;
  }

  /** Called when a probe has found that the store, or a part of it, works. */
  #settle({ whole }: ProbeResult, recovered: boolean): void {
    const mayHaveLost = this.#mayHaveLost;
    this.#mayHaveLost = !whole;
    if (whole) {
      this.#late.forgive(mayHaveLost);
    } else {
      this.#doubt ??= new StoreError('a part of the session store fails');
      // The store may have lost the calls that it did not answer while it failed.
      if (recovered) this.#probe.renew(true);
    }
    if (recovered || (whole && mayHaveLost)) this.emit('ready');
    else if (whole) this.emit('writable');
  }

  #rest(): Promise<boolean> {
    const waking = new AbortController();
    this.#wake = () => waking.abort();
    const signal = AbortSignal.any([this.#closing.signal, waking.signal]);
    return pause(PROBE_INTERVAL, signal);
  }

  /** A connected store may still not serve: it may be loading its data, or take no writes. */
  #connected(): void {
    if (this.#degraded) this.#wake();
    else this.emit('ready');
  }

  #recover(): void {
    if (!this.#degraded || this.#closing.signal.aborted) return;
    this.#degraded = false;
    this.#silent = false;
    this.#outage.end();
    debug('recovered');
    this.emit('recovered');
  }
}
