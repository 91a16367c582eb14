import type { Fleet } from '../fleet/fleet';

/** What limits handshakes: a proxy's admission, or who speaks for those of several processes. */
export interface RateLimit {
  /** The rate of the whole fleet, in handshakes per second; `undefined`: unlimited. */
  readonly rate: number | undefined;
  /** How many handshakes could have gone on since the last call: those that came, and those that waited then. */
  takeDemand(): number;
  /** @param rate from 0 to the whole rate. */
  setRate(rate: number): void;
}

/** The shortest time over which demand is measured, in ms. */
const MIN_TIME = 500;

/** Lets a limit follow this member's slice of the fleet's rate. */
export class FleetRate {
  readonly #member: Fleet;
  readonly #limit: RateLimit;
  #takenAt = performance.now();
  /** What was wanted last. */
  #last = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** @param member has not started yet. */
  constructor(member: Fleet, limit: RateLimit) {
    this.#member = member;
    this.#limit = limit;
    const { rate } = limit;
    if (rate === undefined) return;
    member.share({ rate, wanted: () => this.#wanted() });
    member.on('slice', () => this.#follow());
    this.#follow();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #follow(): void {
    const { slice } = this.#member;
    if (!slice || this.#stopped) return;
    this.#limit.setRate(slice.rate);
    clearTimeout(this.#timer);
    if (slice.changesIn === undefined) return;
    // A timer may be a moment early: then the next one follows.
    this.#timer = setTimeout(() => this.#follow(), Math.max(1, Math.ceil(slice.changesIn))).unref();
  }

  #wanted(): number {
    const now = performance.now();
    const ms = now - this.#takenAt;
    // A change makes beats follow each other closely, which tells nothing of the demand.
    if (ms >= MIN_TIME) {
      this.#takenAt = now;
      this.#last = this.#limit.takeDemand() * 1000 / ms;
    }
    return this.#last;
  }
}
