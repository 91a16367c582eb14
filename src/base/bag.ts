/** An item of a {@link Bag}. */
export interface Bagged {
  /** The item's index in its bag, of which it has one at a time; -1 while it is in none. Only the bag sets it. */
  place: number;
}

/**
 * A set whose items store their own index. A `Set` that changes at every request is rehashed all the time, and its
 * tables die old: their garbage collection was measured to cost a fifth of a poll.
 */
export class Bag<T extends Bagged> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** A copy of the items. */
  get items(): T[] {
    return this.#items.slice();
  }

  has(item: T): boolean {
    return item.place !== -1 && this.#items[item.place] === item;
  }

  /** Adds an item that is in no other bag. */
  add(item: T): void {
    if (item.place === -1) item.place = this.#items.push(item) - 1;
  }

  delete(item: T): void {
    const last = this.#items.at(-1);
    if (last === undefined || !this.has(item)) return;
    this.#items[item.place] = last;
    last.place = item.place;
    item.place = -1;
    this.#items.pop();
  }
}
