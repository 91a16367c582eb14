/** Does things of the same key one after the other, and of different keys at once. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Resolves or rejects as `act` does. */
  take<T>(key: string, act: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const turn: Promise<T> = before ? before.then(act, act) : act();
    const forget = (): void => {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    };
    this.#last.set(key, turn);
    turn.then(forget, forget);
    return turn;
  }
}
