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
  readonly #workers: () => Iterable<LimitedWorker>;
  /** `undefined` where no fleet shares the rate. */
  #slice: number | undefined;
  /** How many handshakes have come since the demand was taken, and how many waited then. */
  #demand = 0;

  /** @param count of the workers that serve at a time. */
  constructor(rate: number | undefined, count: number, workers: () => Iterable<LimitedWorker>) {
    this.rate = rate;
    this.#count = count;
    this.#workers = workers;
  }

  /** Records how many handshakes have come to a worker. */
  came(handshakes: number): void {
    this.#demand += handshakes;
  }

  takeDemand(): number {
    const demand = this.#demand;
    this.#demand = Array.from(this.#workers()).reduce((sum, { queued }) => sum + queued, 0);
    return demand;
  }

  setRate(rate: number): void {
    this.#slice = rate;
    this.spread();
  }

  /** Tells all workers their parts. To be called when one has come, or is gone. */
  spread(): void {
    const rate = this.#slice ?? this.rate;
    if (rate === undefined) return;
    const workers = Array.from(this.#workers());
    // Those that are replaced still admit what waits there.
    for (const worker of workers) worker.setRate(rate / Math.max(this.#count, workers.length));
  }
}
