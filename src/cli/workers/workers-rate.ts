import type { RateLimit } from '../../operating/fleet-rate';

/** A worker that limits its handshakes. */
export interface LimitedWorker {
  /** How many handshakes waited there at its last report. */
  readonly queued: number;
  /** Lets it admit so many handshakes a second from now on. */
  setRate(rate: number): void;
}

/** The rate of all workers together, where that is a slice of the fleet's. Each has an equal part. */
export class WorkersRate implements RateLimit {
  readonly rate: number | undefined;
  readonly #count: number;
  /** Those that admit handshakes, in the order in which they have come. */
  readonly #workers = new Set<LimitedWorker>();
  /** `undefined` where no fleet shares the rate. */
  #slice: number | undefined;
  /** How many handshakes have come since the demand was taken, and how many waited then. */
  #demand = 0;

  /** @param count of the workers that serve at a time. */
  constructor(rate: number | undefined, count: number) {
    this.rate = rate;
    this.#count = count;
  }

  /** A worker is about to admit handshakes. */
  here(worker: LimitedWorker): void {
    this.#workers.add(worker);
    this.#spread();
  }

  gone(worker: LimitedWorker): void {
    this.#workers.delete(worker);
    this.#spread();
  }

  /** Records how many handshakes have come to a worker. */
  came(handshakes: number): void {
    this.#demand += handshakes;
  }

  takeDemand(): number {
    const demand = this.#demand;
    this.#demand = Array.from(this.#workers).reduce((sum, { queued }) => sum + queued, 0);
    return demand;
  }

  setRate(rate: number): void {
    this.#slice = rate;
    this.#spread();
  }

  /**
   * Tells all workers their parts: whole numbers, as a worker that may admit a fraction of a handshake admits a whole
   * one in some seconds. Only if there is less than one handshake a second for each, all have the same fraction.
   */
  #spread(): void {
    const rate = this.#slice ?? this.rate;
    if (rate === undefined) return;
    // Those that are replaced still admit what waits there.
    const count = Math.max(this.#count, this.#workers.size);
    const [least, rest] = rate < count ? [rate / count, 0] : [Math.floor(rate / count), Math.floor(rate) % count];
    for (const [at, worker] of [...this.#workers].entries()) worker.setRate(least + Number(at < rest));
  }
}
