import type { IncomingMessage } from 'node:http';
import { refusals, type Refusal } from '../base/refusals';

/** Stretches each second a little: handshakes that leave evenly arrive less so, and hosts must not see too many. */
const MARGIN = 1.02;

/** How much of a timer's delay is made up for at once, in ms. */
const CATCH_UP = 100;

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
 */
export class Admission {
  readonly #isLimited: boolean;
  readonly #maxQueued: number;
  readonly #timeout: number;
  readonly #queue = new Set<Waiter>();
  /** The time between two handshakes, in ms. */
  readonly #interval: number;
  /** A ring of the latest admissions' times. A slot is used again only after `#window` ms. */
  readonly #admittedAt: Float64Array;
  readonly #window: number;
  #slot = 0;
  /** When the next handshake may be admitted. */
  #next = -Infinity;
  /** When all handshakes would have had their turn, the refused ones included. */
  #excess = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor({ maxHandshakesPerSecond: rate, maxQueuedHandshakes, handshakeQueueTimeout }: AdmissionOptions) {
    this.#isLimited = rate !== undefined;
    this.#maxQueued = maxQueuedHandshakes;
    this.#timeout = handshakeQueueTimeout;
    this.#interval = rate === undefined ? 0 : MARGIN * 1000 / rate;
    this.#admittedAt = new Float64Array(Math.ceil(rate ?? 0)).fill(-Infinity);
    this.#window = Math.max(MARGIN * 1000, this.#interval);
  }

  /** How many handshakes wait. */
  get queued(): number {
    return this.#queue.size;
  }

  /**
   * `undefined` admits the handshake. A promise means that the handshake waits. The promise never rejects, and never
   * resolves if the client leaves first.
   */
  admit(req: IncomingMessage): Refusal | undefined | Promise<Refusal | undefined> {
    if (!this.#isLimited) return undefined;
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

  /** Refuses all handshakes that wait or come later. */
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
        // Only after a long delay: a handshake is not refused because its turn comes a moment too late.
        waiter.settle(this.#tooMany(now));
      } else {
        break;
      }
    }
    if (this.#queue.size > 0) this.#schedule(now);
  }

  /** How long the next handshake must wait, in ms; 0 or less if it need not. */
  #waitAt(now: number): number {
    return Math.max(this.#next, (this.#admittedAt[this.#slot] ?? 0) + this.#window) - now;
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
