import type { IncomingMessage } from 'node:http';
import { refusals, type Refusal } from './errors';
import type { ResolvedOptions } from './options';

/** How much of what a late timer has missed is made up for at once, in ms. */
const CATCH_UP = 100;

/** The longest that a refused client is told to wait, in seconds. */
const MAX_RETRY_AFTER = 30;

export type AdmissionOptions =
  Pick<ResolvedOptions, 'maxHandshakesPerSecond' | 'maxQueuedHandshakes' | 'handshakeQueueTimeout'>;

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
  readonly #rate: number;
  readonly #maxQueued: number;
  readonly #timeout: number;
  readonly #queue = new Set<Waiter>();
  /** When the last ones were let through, in a ring, and how long one has to be over before its place is used again. */
  readonly #last: Float64Array;
  readonly #window: number;
  #at = 0;
  /** When the next one may be let through. */
  #next = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor({ maxHandshakesPerSecond = Infinity, maxQueuedHandshakes, handshakeQueueTimeout }: AdmissionOptions) {
    this.#rate = maxHandshakesPerSecond;
    this.#maxQueued = maxQueuedHandshakes;
    this.#timeout = handshakeQueueTimeout;
    const places = this.isLimited ? Math.max(1, Math.floor(this.#rate)) : 0;
    this.#last = new Float64Array(places).fill(-Infinity);
    this.#window = places / this.#rate * 1000;
  }

  get isLimited(): boolean {
    return this.#rate !== Infinity;
  }

  /** How many wait. */
  get queued(): number {
    return this.#queue.size;
  }

  /** `undefined`: it may go on. A promise where it has to wait for that; it never rejects. */
  admit(req: IncomingMessage): Refusal | undefined | Promise<Refusal | undefined> {
    const now = performance.now();
    const wait = this.#waitAt(now);
    if (this.#queue.size === 0 && wait <= 0) {
      this.#take(now, now);
      return undefined;
    }
    const foreseen = Math.max(0, wait) + this.#queue.size / this.#rate * 1000;
    if (this.#queue.size >= this.#maxQueued || foreseen > this.#timeout) return this.#tooMany();
    return this.#enqueue(req, now);
  }

  /** Refuses those that wait. */
  stop(): void {
    clearTimeout(this.#timer);
    for (const waiter of this.#queue) waiter.settle(refusals.closing);
  }

  #enqueue({ socket }: IncomingMessage, since: number): Promise<Refusal | undefined> {
    return new Promise((resolve) => {
      const settle = (refusal: Refusal | undefined): void => {
        socket.off('close', onClose);
        this.#queue.delete(waiter);
        resolve(refusal);
      };
      const waiter: Waiter = { since, settle };
      // Whoever has gone takes no turn.
      const onClose = (): void => settle(refusals.closing);
      socket.once('close', onClose);
      this.#queue.add(waiter);
      this.#schedule(since);
    });
  }

  #schedule(now: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#release();
    }, Math.max(1, this.#waitAt(now)));
  }

  #release(): void {
    const now = performance.now();
    for (const waiter of this.#queue) {
      if (now - waiter.since > this.#timeout) {
        waiter.settle(this.#tooMany());
      } else {
        if (this.#waitAt(now) > 0) break;
        this.#take(now, now - CATCH_UP);
        waiter.settle(undefined);
      }
    }
    if (this.#queue.size > 0) this.#schedule(now);
  }

  /** For how long the next one has to wait; not over 0 where it need not. */
  #waitAt(now: number): number {
    return Math.max(this.#next, (this.#last[this.#at] ?? 0) + this.#window) - now;
  }

  /** @param earliest from when on a turn may be counted. */
  #take(now: number, earliest: number): void {
    this.#next = Math.max(this.#next, earliest) + 1000 / this.#rate;
    this.#last[this.#at] = now;
    this.#at = (this.#at + 1) % this.#last.length;
  }

  /** Clients come again spread over the time that the ones before them take. */
  #tooMany(): Refusal {
    const most = Math.min(MAX_RETRY_AFTER, Math.max(1, Math.ceil(this.#queue.size / this.#rate)));
    return { ...refusals.tooManyHandshakes, retryAfter: 1 + Math.floor(Math.random() * most) };
  }
}
