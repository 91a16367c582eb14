import createDebug from 'debug';
import { Bag, type Bagged } from '../base/bag';
import { MAX_DELAY } from '../base/checks';
import { disperse, type Lasting } from './disperse';
import type { Outflow } from './outflow';

const debug = createDebug('socket.io-proxy:forwarder');

/** How long to wait for cut or refused requests to end, in ms. */
const CUT_TIMEOUT = 200;

/** How long the end of a drain takes at most after its timeout, in ms: works end twice, see `drain`. */
export const DRAIN_END = 2 * CUT_TIMEOUT;

/** How many looks in a row without progress make a stall. A single one may just follow a block of this process. */
const LOOKS = 8;

/** A request or an upgrade in progress. */
export interface Work extends Bagged {
  /** The outflows to watch for stalls; `undefined` if the HTTP server's timeout does. */
  readonly outflows?: readonly Outflow[];
  /** The work has no end of its own, unlike a request, and has not been told to end. */
  readonly isLasting?: boolean;
  /** The work waits for an answer to be sent, such as its refusal: when the drain ends, it may for a moment. */
  readonly hasGrace?: boolean;
  /** Ends work in good order that has no end of its own. */
  leave?(): void;
  /** Ends the work now: refuses it if it waits, else cuts it. */
  destroy(): void;
}

/** How long output may make no progress: as long as a host may be silent and a client may take for a request, in ms. */
export function stallTimeoutOf(options: { hostTimeout: number; requestTimeout: number }): number {
  return Math.min(options.hostTimeout + options.requestTimeout, MAX_DELAY);
}

/** All requests and upgrades in progress, from their arrival on, waiting ones included. */
export class UnderWay {
  readonly #works = new Bag<Work>();
  readonly #interval: number;
  #looking: NodeJS.Timeout | undefined;
  #phase: 'serving' | 'lingering' | 'draining' | 'over' = 'serving';
  #onIdle = (): void => {};

  /** @param stallTimeout how long watched output may make no progress, in ms. */
  constructor(stallTimeout: number) {
    this.#interval = Math.ceil(stallTimeout / LOOKS);
  }

  /** The proxy is closing: each answer closes its connection. */
  get closing(): boolean {
    return this.#phase !== 'serving';
  }

  /** The drain has begun: no new session may open. */
  get draining(): boolean {
    return this.#phase === 'draining' || this.#phase === 'over';
  }

  /** The drain is over: every further request is refused. */
  get over(): boolean {
    return this.#phase === 'over';
  }

  get items(): Work[] {
    return this.#works.items;
  }

  has(work: Work): boolean {
    return this.#works.has(work);
  }

  add(work: Work): void {
    this.#works.add(work);
  }

  delete(work: Work): void {
    this.#works.delete(work);
    if (this.#works.size === 0) this.#onIdle();
  }

  /** Watches all works with outflows, for as long as there are any. */
  watch(): void {
    this.#looking ??= setInterval(() => this.#look(), this.#interval).unref();
  }

  /** Goes on with everything for `delay` ms. From now on each answer closes its connection. */
  async linger(delay: number): Promise<void> {
    this.#phase = 'lingering';
    await new Promise((resolve) => setTimeout(resolve, delay));
  }

  /** Ends all WebSockets one by one within `timeout` ms, so that their clients do not all come back at once. */
  disperse(timeout: number, signal: AbortSignal): Promise<void> {
    return disperse(() => this.items.filter(isLasting), timeout, signal);
  }

  /**
   * Waits for all works to end, and ends WebSockets one after the other. Cuts what is left after `timeout` ms, and
   * resolves a moment later.
   */
  async drain(timeout: number): Promise<void> {
    this.#phase = 'draining';
    const stopping = new AbortController();
    void this.disperse(timeout, stopping.signal);
    let isIdle = await this.#idle(timeout);
    stopping.abort();
    this.#phase = 'over';
    // Ends twice: the first time may only refuse a request, and its client may not read the refusal.
    for (const end of [() => this.#end(), () => this.cut()]) {
      if (isIdle) return;
      end();
      isIdle = await this.#idle(CUT_TIMEOUT);
    }
  }

  /** Ends all works now. */
  cut(): void {
    for (const work of this.items) work.destroy();
  }

  /**
   * Ends all works now, and WebSockets with what their hosts have just sent. A refused upgrade has until `cut`, that is
   * `CUT_TIMEOUT`, to flush its answer.
   */
  #end(): void {
    const { items } = this;
    debug('%d requests and WebSockets end with the drain timeout', items.length);
    for (const work of items) {
      if (work.leave) work.leave();
      else if (!work.hasGrace) work.destroy();
    }
  }

  /** @returns whether all has ended within `ms`. */
  #idle(ms: number): Promise<boolean> {
    if (this.#works.size === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (isIdle: boolean): void => {
        clearTimeout(timer);
        this.#onIdle = () => {};
        resolve(isIdle);
      };
      const timer = setTimeout(() => end(false), ms);
      this.#onIdle = () => end(true);
    });
  }

  #look(): void {
    const watched = this.#works.items.filter(({ outflows }) => outflows);
    for (const work of watched) {
      // Looks at every outflow, since each look updates its state.
      const stalled = work.outflows?.map((outflow) => outflow.look()).some((looks) => looks >= LOOKS);
      if (stalled) work.destroy();
    }
    if (watched.length > 0) return;
    clearInterval(this.#looking);
    this.#looking = undefined;
  }
}

function isLasting(work: Work): work is Work & Lasting {
  return work.isLasting === true && work.leave !== undefined;
}
