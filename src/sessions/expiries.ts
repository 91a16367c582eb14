import { Bag } from '../base/bag';
import { isExpired, type Binding } from './binding';

/** The most bindings to look at in one turn of the event loop: some 0.1 ms. */
const MAX_PER_TURN = 5000;

/**
 * Finds bindings that have expired, by looking at all that are not held. Most sessions of clients that are there are
 * held, so these are few. To keep them by the time at which they are due would take memory, and work at each poll.
 */
export class Expiries {
  readonly #bindings = new Bag<Binding>();
  readonly #onExpired: (binding: Binding) => void;

  /** @param onExpired called with each binding that has expired; to delete it, if nothing else. */
  constructor(onExpired: (binding: Binding) => void) {
    this.#onExpired = onExpired;
  }

  /** @param binding one that is not held. */
  add(binding: Binding): void {
    this.#bindings.add(binding);
  }

  delete(binding: Binding): void {
    this.#bindings.delete(binding);
  }

  sweep(): void {
    this.#look(this.#bindings.items, 0);
  }

  #look(bindings: readonly Binding[], from: number): void {
    const now = performance.now();
    const to = from + MAX_PER_TURN;
    for (const binding of bindings.slice(from, to)) {
      // Some may be held, or gone, by now.
      if (isExpired(binding, now) && this.#bindings.has(binding)) this.#onExpired(binding);
    }
    if (to < bindings.length) setImmediate(() => this.#look(bindings, to));
  }
}
