import { LRUCache } from 'lru-cache';
import { isHeld, type Binding } from './binding';

/** Bindings by their sids: those that were used last, and all others that are held. */
export class BindingCache {
  readonly #latest: LRUCache<string, Binding>;
  /** Those that are held, but were not used lately. Each leaves with `release`. */
  readonly #others = new Map<string, Binding>();

  /**
   * @param max how many it remembers, beside those that are held.
   * @param dropped called with each binding that is among the latest no more.
   */
  constructor(max: number, dropped: (binding: Binding) => void) {
    this.#latest = new LRUCache({
      max,
      dispose: (binding, sid, reason) => {
        if (reason === 'evict' && isHeld(binding)) this.#others.set(sid, binding);
        dropped(binding);
      },
    });
  }

  /** Counts as a use. */
  get(sid: string): Binding | undefined {
    return this.#latest.get(sid) ?? this.#others.get(sid);
  }

  /** Does not count as a use. */
  peek(sid: string): Binding | undefined {
    return this.#latest.peek(sid) ?? this.#others.get(sid);
  }

  set(sid: string, binding: Binding): void {
    this.#others.delete(sid);
    this.#latest.set(sid, binding);
  }

  delete(sid: string): void {
    this.#others.delete(sid);
    this.#latest.delete(sid);
  }

  /** To be called when a binding is held no more. @returns whether it is still there. */
  release(binding: Binding): boolean {
    if (this.#others.get(binding.sid) === binding) this.#others.delete(binding.sid);
    return this.#latest.peek(binding.sid) === binding;
  }

  /** Those that were used last. */
  latest(): Iterable<Binding> {
    return this.#latest.values();
  }
}
