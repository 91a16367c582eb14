/** Random choices that a seed determines. Each round and each purpose has its own, so that none depends on another's pace. */
export class Dice {
  #state;

  /** @param numbers whatever tells these dice from others. */
  constructor(...numbers) {
    this.#state = 0;
    for (const number of numbers) this.#state = Math.floor(this.#random() * 4294967296) ^ number;
  }

  between(low, high) {
    return Math.floor(low + this.#random() * (high - low));
  }

  oneOf(list) {
    return list[Math.floor(this.#random() * list.length)];
  }

  /** `mulberry32`. */
  #random() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
}
