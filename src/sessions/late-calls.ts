import type { SessionStore } from './session-store';

/**
 * How many calls may be left unanswered, by the whole store, or by each part of one that has parts: a client keeps what
 * it cannot send, for as long as it takes.
 */
const MAX_LATE = 10_000;
const MAX_LATE_OF_PART = 4;

/** How long after late calls were forgiven others may be, while the store works, in ms. */
const FORGIVING_INTERVAL = 60_000;

/** The calls of a store that were given up, and still have not ended. */
export class LateCalls {
  readonly #store: SessionStore;
  /** Of each part that has any. */
  #counts = new Map<number, number>();
  #forgivenAt = -Infinity;

  constructor(store: SessionStore) {
    this.#store = store;
  }

  /** Why a sid is not to be asked for: so much that was asked before is unanswered. */
  refusal(sid: string): string | undefined {
    if (this.#counts.size === 0) return undefined;
    const most = this.#store.partOf ? MAX_LATE_OF_PART : MAX_LATE;
    const late = this.#counts.get(this.#partOf(sid)) ?? 0;
    return late < most ? undefined : `the session store has ${late} calls left to answer`;
  }

  /** A call is given up: it counts until it ends, or is forgiven. */
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
   * Counts no longer what a store that works has not answered by now: as a rule it is lost. But a part of it may fail
   * that is too small to be seen, and so this is done now and then only.
   *
   * @param recovered it, or a part of it, did not work before.
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
