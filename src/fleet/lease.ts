import type { LeaseAsked, LeaseGranted } from './fleet-store';

/**
 * How long a slice counts as held after it has become smaller, in ms: longer than the second for which a rate holds and
 * what a limit makes up for. No second then sees the old slice here and, elsewhere, what has become free of it.
 */
const HOLD = 1200;

/** What part of the rate a member uses that does not know yet how many there are. */
const UNKNOWN_PART = 1 / 4;

/** For how many times the longest wait between two beats a number of members is remembered. */
const REMEMBERED = 2;

/** What shares a rate with the fleet. */
export interface Demand {
  /** The rate of all members together, in handshakes per second. */
  readonly rate: number;
  /** How many handshakes per second could have gone on since the call before. Called once a beat. */
  wanted(): number;
}

/**
 * The slice of the rate that this member may use. Redis leases it. Where the lease is over and Redis is away, the slice
 * is an equal part among the members that were last known. All times are of this member's clock, in ms.
 */
export class Lease {
  readonly #demand: Demand;
  /** How many other members share the rate, by what they have shown: also where Redis has lost their leases. */
  readonly #others: () => number;
  #granted: LeaseGranted | undefined;
  /** When the lease is over; 0 if there was none. */
  #until = 0;
  /** How much later the lease of any other member may be over. */
  #later = 0;
  /** How many shared the rate before a lease ran out, until others may be known again; and until when. */
  #before = { sharers: 0, until: -Infinity };
  /** Redis works, and refuses the fleet. */
  #isRefused = false;
  #slice = 0;
  /** The highest slice of late, which counts as held until a time. */
  #highest = 0;
  #heldUntil = -Infinity;

  constructor(demand: Demand, others: () => number) {
    this.#demand = demand;
    this.#others = others;
  }

  /** In handshakes per second. 0 where other members still hold the whole rate. */
  at(now: number): number {
    const slice = this.#sliceAt(now);
    if (slice < this.#slice) {
      this.#highest = now < this.#heldUntil ? Math.max(this.#highest, this.#slice) : this.#slice;
      this.#heldUntil = now + HOLD;
    }
    return this.#slice = slice;
  }

  /** When the slice next changes without an answer of Redis. */
  changesAt(now: number): number | undefined {
    return [this.#until, this.#until + this.#later].find((time) => time > now);
  }

  /** @param life how long the lease is to live, or is still held when the member leaves, in ms. */
  ask(now: number, life: number, left: boolean): LeaseAsked {
    const slice = this.at(now);
    const held = now < this.#heldUntil ? Math.max(slice, this.#highest) : slice;
    const { rate } = this.#demand;
    const [sharers, wanted] = [this.#sharersAt(now) ?? 0, left ? 0 : this.#demand.wanted()];
    return { rate, wanted, slice, held, sharers, life: left ? HOLD : life, left };
  }

  /**
   * @param now when the answer has come.
   * @param until when the lease is over. Counted from before Redis was asked, so that Redis keeps it for longer.
   * @param later how much later the lease of any other member may be over.
   */
  take(granted: LeaseGranted, now: number, until: number, later: number): void {
    // What was used until now counts as held.
    this.at(now);
    // Redis may just be back, without the leases that it had. The others may not have asked it yet.
    const isNews = now >= until || (this.#granted !== undefined && now >= this.#until);
    if (isNews) this.#before = { sharers: this.#sharersAt(now) ?? 1 / UNKNOWN_PART, until: now + REMEMBERED * later };
    this.#granted = granted;
    this.#until = until;
    this.#later = later;
    this.#isRefused = false;
    this.at(now);
  }

  /** Redis works, and refuses the fleet. Who knows no other member goes on as without a fleet. */
  refuse(now: number): void {
    this.#isRefused = true;
    this.at(now);
  }

  /** How many members share the rate, as far as is known. */
  #sharersAt(now: number): number | undefined {
    const { sharers, until } = this.#before;
    const granted = this.#granted?.sharers;
    if (granted === undefined) return undefined;
    return Math.max(granted, 1 + this.#others(), now < until ? sharers : 0);
  }

  #sliceAt(now: number): number {
    const { rate } = this.#demand;
    if (!this.#granted) return this.#isRefused ? rate : partOf(rate, 1 / UNKNOWN_PART);
    const { granted } = this.#granted;
    if (now < this.#until) return granted;
    const part = partOf(rate, this.#sharersAt(now) ?? 1);
    // A larger one only when no other lease can still be running.
    return now < this.#until + this.#later && granted > 0 ? Math.min(granted, part) : part;
  }
}

/** An equal part: a whole number where there is one handshake a second for each, or each rounds up in some second. */
function partOf(rate: number, members: number): number {
  const part = rate / Math.max(1, members);
  return members > 1 && part >= 1 ? Math.floor(part) : part;
}
