import { expiryOf, isExpired, type Binding } from './binding';

/** The most bindings to check in one turn of the event loop. */
const MAX_PER_TURN = 5000;

/** Finds expired bindings. Groups them by the second in which they are due, so that a sweep skips all others. */
export class Expiries {
  readonly #bySecond = new Map<number, Set<Binding>>();
  readonly #onExpired: (binding: Binding) => void;

  /** @param onExpired called once for each binding that has expired. */
  constructor(onExpired: (binding: Binding) => void) {
    this.#onExpired = onExpired;
  }

  /** Schedules the check of a binding, by default for its expiry. Replaces an earlier schedule. */
  add(binding: Binding, at = expiryOf(binding)): void {
    const second = Math.ceil(at / 1000);
    if (binding.due === second) return;
    this.delete(binding);
    binding.due = second;
    const bindings = this.#bySecond.get(second);
    if (bindings) bindings.add(binding);
    else this.#bySecond.set(second, new Set([binding]));
  }

  delete(binding: Binding): void {
    const bindings = this.#bySecond.get(binding.due);
    if (bindings?.delete(binding) && bindings.size === 0) this.#bySecond.delete(binding.due);
    binding.due = -1;
  }

  /** Checks the bindings that are due. */
  sweep(): void {
    const now = performance.now();
    const due = this.#take(now);
    for (const binding of due) {
      if (isExpired(binding, now)) this.#onExpired(binding);
      // The binding was used in the meantime. A held one counts as used now.
      else this.add(binding, binding.holds > 0 ? now + binding.ttl * 1000 : expiryOf(binding));
    }
    if (due.length === MAX_PER_TURN) setImmediate(() => this.sweep());
  }

  #take(now: number): Binding[] {
    const taken: Binding[] = [];
    // Looks through all groups rather than counting seconds up: the process may have stood still.
    for (const [second, bindings] of this.#bySecond) {
      if (second * 1000 > now) continue;
      for (const binding of bindings) {
        if (taken.length === MAX_PER_TURN) return taken;
        taken.push(binding);
        this.delete(binding);
      }
    }
    return taken;
  }
}
