import type { Register, Write } from './registers';

/** What a member shows and asks in one beat. */
export interface Beat {
  /** The member's id. */
  readonly id: string;
  /** What the member shows of itself, as JSON. */
  readonly record: string;
  /** The revision of the registers that the member knows, '' for none. It gets them only if they have another one. */
  readonly revision: string;
  readonly writes: readonly Write[];
}

/** What a member has shown. */
export interface Shown {
  readonly record: string;
  /** When, by Redis's clock, in ms since the epoch. */
  readonly at: number;
}

/** What Redis has after a beat. */
export interface Reading {
  /** Redis's clock, in ms since the epoch. */
  readonly now: number;
  /** When registers last changed, and by which member. */
  readonly revision: string;
  /** By the members' ids; some have been silent for a while. */
  readonly members: ReadonlyMap<string, Shown>;
  /** All registers; `undefined` if their revision is the one that the beat named. */
  readonly registers: ReadonlyMap<string, Register> | undefined;
}

/** Where members meet. */
export interface FleetStore {
  /** In one atomic step: shows the member, writes, and reads. Rejects if that cannot be done. */
  beat(beat: Beat): Promise<Reading>;
}
