import createDebug from 'debug';
import { Bag, type Bagged } from '../base/bag';
import type { Outflow } from './outflow';

const debug = createDebug('socket.io-proxy:forwarder');

/** How long what was cut, or refused, has to be gone, in ms. */
const CUT_TIMEOUT = 200;

/** In how many looks it is seen that nothing leaves: one when the process itself stood still is not enough. */
const LOOKS = 8;

/** A request or an upgrade that is under way. */
export interface Work extends Bagged {
  /** To be watched, so that what nobody takes ends; `undefined` where somebody else does. */
  readonly outflows?: readonly Outflow[];
  /** Ends it now: refuses what waits, and cuts all else. */
  destroy(): void;
}

/** All requests and upgrades that are under way, from their arrival on: those that wait for something too. */
export class UnderWay {
  readonly #works = new Bag<Work>();
  readonly #interval: number;
  #looking: NodeJS.Timeout | undefined;
  #closing = false;
  #over = false;
  #onIdle = (): void => {};

  /** @param stallTimeout how long bytes may wait while none leave, in ms, where that is watched. */
  constructor(stallTimeout: number) {
    this.#interval = Math.ceil(stallTimeout / LOOKS);
  }

  /** No new session is to be opened. */
  get closing(): boolean {
    return this.#closing;
  }

  /** Whatever comes is to be refused. */
  get over(): boolean {
    return this.#over;
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

  /** Watches what has outflows, for as long as there is any. */
  watch(): void {
    this.#looking ??= setInterval(() => this.#look(), this.#interval).unref();
  }

  /** Waits until all has ended, or ends what has not after `timeout` ms: then it is over, a moment later. */
  async drain(timeout: number): Promise<void> {
    this.#closing = true;
    let isIdle = await this.#idle(timeout);
    this.#over = true;
    // Once more, as a client may not take its refusal.
    for (let tries = 2; tries > 0 && !isIdle; tries -= 1) {
      this.cut();
      isIdle = await this.#idle(CUT_TIMEOUT);
    }
  }

  /** Ends all that is under way. */
  cut(): void {
    const { items } = this;
    if (items.length > 0) debug('%d requests and WebSockets end with the drain timeout', items.length);
    for (const work of items) work.destroy();
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
      // Each is looked at, as it has to be seen whether it moves.
      const stalled = work.outflows?.map((outflow) => outflow.look()).some((looks) => looks >= LOOKS);
      if (stalled) work.destroy();
    }
    if (watched.length > 0) return;
    clearInterval(this.#looking);
    this.#looking = undefined;
  }
}
