import { startDeadline } from '../base/deadline';

/** The store did not answer a call in time, or was not asked because it is known to fail. */
export class StoreError extends Error {
  override name = 'StoreError';
}

/** The calls of a store that wait for an answer: each has a deadline, and all can be given up at once. */
export class StoreCalls {
  /** Functions that give up the calls in progress. */
  readonly #waiting = new Set<(reason: string) => void>();

  /**
   * Rejects when there is no answer within the deadline, and ignores a later answer.
   *
   * @param onLate called with the answer that is still to come. Without it, the call is not given up with the others.
   */
  async within<T>(ask: () => Promise<T>, ms: number, onLate?: (answer: Promise<T>) => void): Promise<T> {
    const answer = ask();
    let giveUp: (reason: string) => void = () => {};
    const late = new Promise<never>((_, reject) => {
      giveUp = (reason) => {
        this.#waiting.delete(giveUp);
        onLate?.(answer);
        reject(new StoreError(reason));
      };
    });
    const cancel = startDeadline(ms, () => giveUp(`the session store did not answer within ${ms} ms`));
    if (onLate) this.#waiting.add(giveUp);
    try {
      return await Promise.race([answer, late]);
    } finally {
      cancel();
      this.#waiting.delete(giveUp);
    }
  }

  giveUp(reason: string): void {
    for (const giveUp of this.#waiting) giveUp(reason);
  }
}
