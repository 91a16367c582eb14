import type { Register, Write } from './registers';

/** A part of the rate of all members that one of them asks for. Rates are in handshakes per second. */
export interface LeaseAsked {
  /** What all may let through together, as this member has it. */
  readonly rate: number;
  /** What the member could use. */
  readonly wanted: number;
  /** What the member lets through now. */
  readonly slice: number;
  /** The most that the member may have let through in the last second, or may in the next ones before an answer. */
  readonly held: number;
  /** How many members, this one included, share the rate, as far as the member knows; 0 if it never looked. */
  readonly sharers: number;
  /** How long the lease lives, in ms. */
  readonly life: number;
  /** The member gives its lease back. What it has held is free after `life`. */
  readonly left: boolean;
}

export interface LeaseGranted {
  /** In handshakes per second. 0 while the others hold all. */
  readonly granted: number;
  /** How many members have a lease, this one included. */
  readonly sharers: number;
}

/** What a member shows and asks in one beat. */
export interface Beat {
  /** The member's id. */
  readonly id: string;
  /** What the member shows of itself, as JSON. */
  readonly record: string;
  /** The revision of the registers that the member knows, '' for none. It gets them only if they have another one. */
  readonly revision: string;
  readonly writes: readonly Write[];
  /** `undefined`: the member shares no rate. */
  readonly lease?: LeaseAsked | undefined;
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
  /** Redis did not know the member, which is new or was forgotten with the others. */
  readonly isNew?: boolean | undefined;
  /** All registers; `undefined` if their revision is the one that the beat named. */
  readonly registers: ReadonlyMap<string, Register> | undefined;
  /** `undefined` if the beat asked for none. */
  readonly lease?: LeaseGranted | undefined;
}

/** Where members meet. */
export interface FleetStore {
  /** In one atomic step: shows the member, writes, and reads. Rejects if that cannot be done. */
  beat(beat: Beat): Promise<Reading>;
}
