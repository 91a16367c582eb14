/** What a {@link Bag} can hold. */
export interface Bagged {
  /** Where it lies in its bag; -1 while it is in none. The bag's own. */
  place: number;
}

/**
 * A set whose items know their place. A `Set` that is added to and deleted from at every request is rehashed all the
 * time, and its tables die old: they were measured to cost a fifth of a poll in garbage collection.
 */
export class Bag<T extends Bagged> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** The items, as they are now. */
  get items(): T[] {
    return this.#items.slice();
  }

  has(item: T): boolean {
    return item.place !== -1;
  }

  add(item: T): void {
    if (item.place === -1) item.place = this.#items.push(item) - 1;
  }

  delete(item: T): void {
    const last = this.#items.at(-1);
    if (item.place === -1 || last === undefined) return;
    this.#items[item.place] = last;
    last.place = item.place;
    item.place = -1;
    this.#items.pop();
  }
}
