import type { IncomingMessage } from 'node:http';
import { refusals, type Refusal } from '../base/errors';

/** How much longer a second is made here: what leaves evenly arrives a little less so, and hosts are to see no more. */
const MARGIN = 1.02;

/** How much of what a late timer has missed is made up for at once, in ms. */
const CATCH_UP = 100;

/** The longest that a refused client is told to wait, in seconds. */
const MAX_RETRY_AFTER = 30;

export interface AdmissionOptions {
  /** `undefined` for any number. */
  readonly maxHandshakesPerSecond: number | undefined;
  readonly maxQueuedHandshakes: number;
  /** In ms. */
  readonly handshakeQueueTimeout: number;
}

interface Waiter {
  /** By `performance.now()`. */
  readonly since: number;
  settle(refusal: Refusal | undefined): void;
}

/**
 * Lets so many handshakes through a second, about evenly, so that hosts get no burst: never more in any second, also
 * where this process was busy. Others wait in turn, unless too many do, or it can be foreseen that they would wait for
 * too long.
 */
export class Admission {
  readonly #isLimited: boolean;
  readonly #maxQueued: number;
  readonly #timeout: number;
  readonly #queue = new Set<Waiter>();
  /** The time between two, in ms. */
  readonly #interval: number;
  /** When the last ones were let through, in a ring, and how long one has to be over before its place is used again. */
  readonly #last: Float64Array;
  readonly #window: number;
  #at = 0;
  /** When the next one may be let through. */
  #next = -Infinity;
  /** When all would have had their turn, those that were refused among them. */
  #excess = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor({ maxHandshakesPerSecond: rate, maxQueuedHandshakes, handshakeQueueTimeout }: AdmissionOptions) {
    this.#isLimited = rate !== undefined;
    this.#maxQueued = maxQueuedHandshakes;
    this.#timeout = handshakeQueueTimeout;
    this.#interval = rate === undefined ? 0 : MARGIN * 1000 / rate;
    this.#last = new Float64Array(Math.ceil(rate ?? 0)).fill(-Infinity);
    this.#window = Math.max(MARGIN * 1000, this.#interval);
  }

  get isLimited(): boolean {
    return this.#isLimited;
  }

  /** How many wait. */
  get queued(): number {
    return this.#queue.size;
  }

  /**
   * `undefined`: it may go on. A promise where it has to wait for that, which never rejects, and never resolves where
   * its client leaves before.
   */
  admit(req: IncomingMessage): Refusal | undefined | Promise<Refusal | undefined> {
    if (this.#stopped) return refusals.closing;
    const now = performance.now();
    const wait = this.#waitAt(now);
    if (this.#queue.size === 0 && wait <= 0) {
      this.#take(now, now);
      return undefined;
    }
    if (this.#queue.size >= this.#maxQueued || this.#queueTime(wait) > this.#timeout) return this.#tooMany(now);
    return this.#enqueue(req, now);
  }

  /** Refuses those that wait, and all that come later. */
  stop(): void {
    this.#stopped = true;
    for (const waiter of this.#queue) waiter.settle(refusals.closing);
  }

  #enqueue({ socket }: IncomingMessage, since: number): Promise<Refusal | undefined> {
    return new Promise((resolve) => {
      const leave = (): void => {
        socket.off('close', leave);
        this.#queue.delete(waiter);
        if (this.#queue.size > 0) return;
        clearTimeout(this.#timer);
        this.#timer = undefined;
      };
      const settle = (refusal: Refusal | undefined): void => {
        leave();
        resolve(refusal);
      };
      const waiter: Waiter = { since, settle };
      socket.once('close', leave);
      this.#queue.add(waiter);
      this.#schedule(since);
    });
  }

  #schedule(now: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#release();
    }, Math.max(1, Math.ceil(this.#waitAt(now))));
  }

  #release(): void {
    const now = performance.now();
    for (const waiter of this.#queue) {
      const wait = this.#waitAt(now);
      if (wait <= 0) {
        this.#take(now, now - CATCH_UP);
        waiter.settle(undefined);
      } else if (now + wait - waiter.since > this.#timeout + CATCH_UP) {
        // Only where much was missed: who has waited for as long as they may are not to be refused for a moment more.
        waiter.settle(this.#tooMany(now));
      } else {
        break;
      }
    }
    if (this.#queue.size > 0) this.#schedule(now);
  }

  /** For how long the next one has to wait; not over 0 where it need not. */
  #waitAt(now: number): number {
    return Math.max(this.#next, (this.#last[this.#at] ?? 0) + this.#window) - now;
  }

  /** For how long one that comes last has to wait, where the first waits for `wait`. */
  #queueTime(wait: number): number {
    return Math.max(0, wait) + this.#queue.size * this.#interval;
  }

  /** @param earliest from when on a turn may be counted. */
  #take(now: number, earliest: number): void {
    this.#next = Math.max(this.#next, earliest) + this.#interval;
    this.#last[this.#at] = now;
    this.#at = (this.#at + 1) % this.#last.length;
  }

  /** Clients come again spread over the time that they, and all before them, take. */
  #tooMany(now: number): Refusal {
    const before = Math.max(this.#excess, now + this.#queueTime(this.#waitAt(now)));
    this.#excess = Math.min(before + this.#interval, now + MAX_RETRY_AFTER * 1000);
    // Fractions do not add up: 30 s from now may seem to be a little more.
    const seconds = Math.min(MAX_RETRY_AFTER, Math.ceil((this.#excess - now) / 1000));
    return { ...refusals.tooManyHandshakes, retryAfter: 1 + Math.floor(Math.random() * seconds) };
  }
}
