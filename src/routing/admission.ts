import { refusals, type Refusal } from '../base/refusals';
import type { RequestHead } from '../base/request-head';

/** A second, in ms, a little longer: handshakes that leave evenly arrive less so, and hosts must not see too many. */
const SECOND = 1020;

/** How much of a timer's delay is made up for at once, in ms. */
const CATCH_UP = 100;

/** How often those who wait look whether a rate of 0 is over, or whether they have waited for too long, in ms. */
const PAUSE = 100;

/** The longest `Retry-After` of a refused client, in seconds. */
const MAX_RETRY_AFTER = 30;

export interface AdmissionOptions {
  /** `undefined`: unlimited. */
  readonly maxHandshakesPerSecond: number | undefined;
  readonly maxQueuedHandshakes: number;
  /** In ms. */
  readonly handshakeQueueTimeout: number;
}

interface Waiter {
  /** When the handshake began to wait, by `performance.now()`. */
  readonly since: number;
  settle(refusal: Refusal | undefined): void;
}

/**
 * Limits the handshakes per second, and admits them about evenly, so that hosts get no burst. The limit holds in every
 * second, even after this process was busy. Excess handshakes wait in a queue. They are refused when the queue is full,
 * or when they would foreseeably wait for too long.
 *
 * The rate may change. Times count in turns: when the rate changes, what lies behind or ahead is stretched to as many
 * turns of the new rate. No second sees more than the highest rate that held in it. Where the rate falls again within a
 * second, the one before the first fall counts for a second after the last.
 */
export class Admission {
  /** The highest rate that may be set, in handshakes per second; `undefined`: unlimited. */
  readonly rate: number | undefined;
  readonly #isLimited: boolean;
  readonly #maxQueued: number;
  readonly #timeout: number;
  readonly #queue = new Set<Waiter>();
  /** The rate in force or, while that is 0, the one before. */
  #pace: number;
  /** Since when the rate is 0. */
  #pausedAt: number | undefined;
  /** The time between two handshakes, in ms. */
  #interval = 0;
  /** How many handshakes a second has at the most, and how long it is in ms: no shorter than the interval. */
  #most = 0;
  #second = 0;
  /** The highest rate that counts, and until when. */
  #peak: number;
  #peakUntil = Infinity;
  /** A ring of the latest admissions' times. */
  readonly #admittedAt: Float64Array;
  #slot = 0;
  /** When the next handshake may be admitted. */
  #next = -Infinity;
  /** When all handshakes would have had their turn, the refused ones included. */
  #excess = -Infinity;
  /** How many have come since the demand was taken, and how many waited then. */
  #demand = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor({ maxHandshakesPerSecond: rate, maxQueuedHandshakes, handshakeQueueTimeout }: AdmissionOptions) {
    this.rate = rate;
    this.#isLimited = rate !== undefined;
    this.#maxQueued = maxQueuedHandshakes;
    this.#timeout = handshakeQueueTimeout;
    this.#pace = this.#peak = rate ?? 1;
    this.#settle();
    this.#admittedAt = new Float64Array(this.#most).fill(-Infinity);
  }

  /** How many handshakes wait. */
  get queued(): number {
    return this.#queue.size;
  }

  /** Changes the rate: from 0, which lets those who come wait for a later change, to the option's. */
  setRate(given: number): void {
    if (this.rate === undefined) return;
    const rate = Math.min(given, this.rate);
    const now = performance.now();
    const before = this.#pausedAt === undefined ? this.#pace : 0;
    if (rate === before) return;
    if (rate < before) {
      this.#peak = now < this.#peakUntil ? Math.max(this.#peak, before) : before;
      this.#peakUntil = now + SECOND;
    }
    if (rate === 0) {
      this.#pausedAt = now;
    } else {
      this.#stretch(this.#pausedAt ?? now, now, this.#pace / rate);
      this.#pausedAt = undefined;
      this.#pace = rate;
      this.#peak = Math.max(this.#peak, rate);
      this.#settle();
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#release();
  }

  /** How many handshakes could have gone on since the last call: those that came, and those that waited then. */
  takeDemand(): number {
    const demand = this.#demand;
    this.#demand = this.#queue.size;
    return demand;
  }

  /**
   * `undefined` admits the handshake. A promise means that the handshake waits. The promise never rejects, and never
   * resolves if the client leaves first.
   */
  admit(req: Pick<RequestHead, 'socket'>): Refusal | undefined | Promise<Refusal | undefined> {
    if (!this.#isLimited) return undefined;
    if (this.#stopped) return refusals.closing;
    this.#demand += 1;
    const now = performance.now();
    const wait = this.#waitAt(now);
    if (this.#queue.size === 0 && wait <= 0) {
      this.#take(now, now);
      return undefined;
    }
    if (this.#queue.size >= this.#maxQueued || this.#queueTime(wait) > this.#timeout) return this.#tooMany(now);
    return this.#enqueue(req, now);
  }

  /** Refuses all handshakes that wait or come later. */
  stop(): void {
    this.#stopped = true;
    for (const waiter of this.#queue) waiter.settle(refusals.closing);
  }

  #enqueue({ socket }: Pick<RequestHead, 'socket'>, since: number): Promise<Refusal | undefined> {
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
        // Only after a long delay: a handshake is not refused because its turn comes a moment too late.
        waiter.settle(this.#tooMany(now));
      } else {
        break;
      }
    }
    if (this.#queue.size > 0) this.#schedule(now);
  }

  /** Moves all times from around one moment to around another, `factor` times as far from it. */
  #stretch(from: number, to: number, factor: number): void {
    const moved = (time: number): number => to + (time - from) * factor;
    this.#next = moved(this.#next);
    this.#excess = moved(this.#excess);
    for (let i = 0; i < this.#admittedAt.length; i += 1) this.#admittedAt[i] = moved(this.#admittedAt[i] ?? -Infinity);
  }

  #settle(): void {
    this.#interval = SECOND / this.#pace;
    this.#most = Math.ceil(this.#pace);
    this.#second = Math.max(SECOND, this.#interval);
  }

  /** How long the next handshake must wait, in ms; 0 or less if it need not. */
  #waitAt(now: number): number {
    if (now >= this.#peakUntil) {
      this.#peak = this.#pace;
      this.#peakUntil = Infinity;
    }
    let at = Math.max(this.#next, this.#back(this.#most) + this.#second);
    // A second that began before the rate fell has no room for as many again.
    if (this.#peak > this.#pace) {
      const turns = Math.max(SECOND * (this.#peak / this.#pace), this.#interval);
      at = Math.max(at, this.#back(Math.ceil(this.#peak)) + turns);
    }
    return this.#pausedAt === undefined ? at - now : Math.max(at - now, PAUSE);
  }

  /** When the last but so many was admitted. */
  #back(count: number): number {
    const slot = this.#slot - count;
    return this.#admittedAt[slot < 0 ? slot + this.#admittedAt.length : slot] ?? 0;
  }

  /** How long the last in the queue must wait, in ms, when the first waits for `wait`. */
  #queueTime(wait: number): number {
    return Math.max(0, wait) + this.#queue.size * this.#interval;
  }

  /** @param earliest turns that were missed before this time are not made up for. */
  #take(now: number, earliest: number): void {
    this.#next = Math.max(this.#next, earliest) + this.#interval;
    this.#admittedAt[this.#slot] = now;
    this.#slot = (this.#slot + 1) % this.#admittedAt.length;
  }

  /** Spreads the clients' retries over the time that they and all before them need. */
  #tooMany(now: number): Refusal {
    const before = Math.max(this.#excess, now + this.#queueTime(this.#waitAt(now)));
    this.#excess = Math.min(before + this.#interval, now + MAX_RETRY_AFTER * 1000);
    // By a rounding error, 30 s may be a little more.
    const seconds = Math.min(MAX_RETRY_AFTER, Math.ceil((this.#excess - now) / 1000));
    return { ...refusals.tooManyHandshakes, retryAfter: 1 + Math.floor(Math.random() * seconds) };
  }
}
