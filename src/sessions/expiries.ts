/** What an {@link Agenda} can hold. */
export interface Scheduled {
  /** The second in which it is due; -1 while it is in no agenda. The agenda's own. */
  due: number;
}

/** What is to be looked at later, by the second in which it is due: nothing that is not due is ever gone through. */
export class Agenda<T extends Scheduled> {
  readonly #seconds = new Map<number, Set<T>>();

  /** Has an item looked at once it is `at`, by `performance.now()`, and not when it was to be before. */
  set(item: T, at: number): void {
    const second = Math.ceil(at / 1000);
    if (item.due === second) return;
    this.delete(item);
    item.due = second;
    const items = this.#seconds.get(second);
    if (items) items.add(item);
    else this.#seconds.set(second, new Set([item]));
  }

  delete(item: T): void {
    const items = this.#seconds.get(item.due);
    if (items?.delete(item) && items.size === 0) this.#seconds.delete(item.due);
    item.due = -1;
  }

  /** Takes out what is due, but no more than `most` items. */
  take(now: number, most: number): T[] {
    const taken: T[] = [];
    // By second, rather than second by second: the process may have stood still.
    for (const [second, items] of this.#seconds) {
      if (second * 1000 > now) continue;
      for (const item of items) {
        if (taken.length === most) return taken;
        taken.push(item);
        this.delete(item);
      }
    }
    return taken;
  }
}
