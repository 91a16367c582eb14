import { numberOf } from '../base/checks';

/** The shortest pause between moves, in ms. Higher rates move several sessions at a time. */
const TICK = 50;

/** @throws TypeError when the value is no number of sessions that can be moved a second. */
export function movesPerSecondOf(argument: string, value: unknown): number {
  return numberOf(argument, value, 0.001, 10_000);
}

/** @throws TypeError when the value is no number of sessions that can be moved a minute. */
export function movesPerMinuteOf(argument: string, value: unknown): number {
  return numberOf(argument, value, 0.01, 600_000);
}

/** Spreads `perSecond` actions about evenly, with random pauses. */
export class Pace {
  readonly #perSecond: number;
  #due = 0;
  #at = performance.now();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** The next pause, in ms. */
  pause(): number {
    return Math.max(TICK, 1000 / this.#perSecond) * (0.5 + Math.random());
  }

  /**
   * The number of actions that are due now.
   *
   * @param part of the actions that are meant for this process, from 0 to 1.
   */
  take(part = 1): number {
    const now = performance.now();
    // Bounded, so that idle time does not lead to a burst.
    const passed = Math.min((now - this.#at) / 1000, 1.5 * Math.max(TICK / 1000, 1 / this.#perSecond));
    this.#due += passed * this.#perSecond * part;
    this.#at = now;
    const whole = Math.floor(this.#due);
    this.#due -= whole;
    return whole;
  }
}
