/** In ms. The death of a worker that has lived for `healthy` is not a failed start. */
const DELAYS = { first: 500, most: 30_000, healthy: 60_000 };

/** The delay before a dead worker is restarted. It grows while the worker keeps dying. */
export class RestartDelay {
  #failures = 0;

  /** @param lived how long the worker lived, in ms. @returns the delay in ms. */
  after(lived: number): number {
    if (lived >= DELAYS.healthy) this.#failures = 0;
    this.#failures += 1;
    if (this.#failures === 1) return 0;
    return Math.min(DELAYS.most, DELAYS.first * 2 ** (this.#failures - 2));
  }
}
