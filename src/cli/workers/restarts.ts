/** In ms. A worker that has lived for `healthy` did not die of how it was started. */
const DELAYS = { first: 500, most: 30_000, healthy: 60_000 };

/** How long to wait before a worker that has died is started again: longer each time, while it keeps dying. */
export class Restarts {
  #failures = 0;

  /** @param lived for how long it did, in ms. */
  delayAfter(lived: number): number {
    if (lived >= DELAYS.healthy) this.#failures = 0;
    this.#failures += 1;
    if (this.#failures === 1) return 0;
    return Math.min(DELAYS.most, DELAYS.first * 2 ** (this.#failures - 2));
  }
}
