import type { SessionStore } from './session-store';

/**
 * How many calls a store may leave unanswered, or each part of a store that has parts. A Redis client keeps calls that
 * it cannot send, for as long as it takes.
 */
const MAX_LATE = 10_000;
const MAX_LATE_OF_PART = 4;

/** The shortest time between two times of forgiving, while the store works, in ms. */
const FORGIVING_INTERVAL = 60_000;

/** Counts the calls to a store that were given up and still have not ended. */
export class LateCalls {
  readonly #store: SessionStore;
  /** Part → how many of its calls are late, unless none is. */
  #counts = new Map<number, number>();
  #forgivenAt = -Infinity;

  constructor(store: SessionStore) {
    this.#store = store;
  }

  /** Why the store must not be asked for a sid: too many earlier calls are unanswered. `undefined` if it may be. */
  refusal(sid: string): string | undefined {
    if (this.#counts.size === 0) return undefined;
    const most = this.#store.partOf ? MAX_LATE_OF_PART : MAX_LATE;
    const late = this.#counts.get(this.#partOf(sid)) ?? 0;
    return late < most ? undefined : `the session store has ${late} calls left to answer`;
  }

  /** Called when a call is given up: it counts until it ends or is forgiven. */
  add(sid: string, answer: Promise<unknown>): void {
    const counts = this.#counts;
    const part = this.#partOf(sid);
    counts.set(part, (counts.get(part) ?? 0) + 1);
    const ended = (): void => {
      const left = (counts.get(part) ?? 0) - 1;
      if (left > 0) counts.set(part, left);
      else counts.delete(part);
    };
    answer.then(ended, ended);
  }

  /**
   * Stops counting the calls that a working store has not answered by now: usually they are lost. But a part of the
   * store may fail that is too small to be noticed, so this happens only now and then.
   *
   * @param recovered whether the store, or a part of it, did not work before.
   */
  forgive(recovered: boolean): void {
    const now = performance.now();
    if (!recovered && now - this.#forgivenAt < FORGIVING_INTERVAL) return;
    this.#forgivenAt = now;
    this.#counts = new Map();
  }

  #partOf(sid: string): number {
    return this.#store.partOf?.(sid) ?? 0;
  }
}
