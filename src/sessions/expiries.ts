import { expiryOf, isExpired, type Binding } from './binding';

/** The most bindings that are looked at in one turn of the event loop. */
const MAX_PER_TURN = 5000;

/** Finds the bindings that have expired, by the second in which each is due: none that is not due is gone through. */
export class Expiries {
  readonly #bySecond = new Map<number, Set<Binding>>();
  readonly #onExpired: (binding: Binding) => void;

  /** @param onExpired called once for each binding that has expired. */
  constructor(onExpired: (binding: Binding) => void) {
    this.#onExpired = onExpired;
  }

  /** Looks at a binding when it would expire, and no longer when it would have before. */
  add(binding: Binding): void {
    this.#set(binding, expiryOf(binding));
  }

  delete(binding: Binding): void {
    const bindings = this.#bySecond.get(binding.due);
    if (bindings?.delete(binding) && bindings.size === 0) this.#bySecond.delete(binding.due);
    binding.due = -1;
  }

  /** Looks at those that are due. */
  sweep(): void {
    const now = performance.now();
    const due = this.#take(now);
    for (const binding of due) {
      if (isExpired(binding, now)) this.#onExpired(binding);
      // It was used in the meantime. While it is held it is as if it were used now.
      else this.#set(binding, binding.holds > 0 ? now + binding.ttl * 1000 : expiryOf(binding));
    }
    if (due.length === MAX_PER_TURN) setImmediate(() => this.sweep());
  }

  #set(binding: Binding, at: number): void {
    const second = Math.ceil(at / 1000);
    if (binding.due === second) return;
    this.delete(binding);
    binding.due = second;
    const bindings = this.#bySecond.get(second);
    if (bindings) bindings.add(binding);
    else this.#bySecond.set(second, new Set([binding]));
  }

  #take(now: number): Binding[] {
    const taken: Binding[] = [];
    // All seconds are gone through, rather than one after the other: the process may have stood still.
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
