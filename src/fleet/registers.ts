/** A value that any member may set. The last writer wins. */
export interface Register {
  /** JSON; `null` if the register was cleared. */
  readonly value: string;
  /** When it was written, by Redis's clock, in ms since the epoch. Each write is later than the one before it. */
  readonly at: number;
  /** The id of the member that wrote it. */
  readonly by: string;
}

/** A write on its way to Redis. */
export interface Write {
  readonly name: string;
  readonly register: Register;
  /** Redis still has to date the write. `register.at` is then the time that the write has to follow. */
  readonly isNew: boolean;
}

/** The value of a register that was cleared. */
export const CLEARED = 'null';

/** How long Redis and members keep what members have shown and written, and what was cleared, in ms. */
export const LIFE = 3_600_000;

/** How the names of registers begin that are of no use after seconds, and may be many: of sessions that are ended. */
export const BRIEF = 'end ';

/** How long it is kept that one of these was cleared, in ms: longer than the slowest member takes to read it. */
export const BRIEF_LIFE = 60_000;

/** How long Redis and members keep that a register was cleared, in ms. */
export function clearedLife(name: string): number {
  return name.startsWith(BRIEF) ? BRIEF_LIFE : LIFE;
}

/** Whether `register` counts, and not `other`. */
export function isNewer(register: Register, other: Register | undefined): boolean {
  if (!other) return true;
  return register.at === other.at ? register.by > other.by : register.at > other.at;
}

/**
 * The registers as a member knows them, and what it has still to write. A member that knows a newer value than Redis
 * writes it there again: Redis may have lost it.
 */
export class Registers {
  readonly #known = new Map<string, Register>();
  /** Own writes that Redis has not dated yet. */
  readonly #unwritten = new Map<string, Register>();
  /** What Redis has lost or not seen, by the last reading. */
  readonly #lost = new Map<string, Register>();

  /** The value that counts here: an own write at once, before Redis has it. */
  get(name: string): Register | undefined {
    const register = this.#unwritten.get(name) ?? this.#known.get(name);
    return register?.value === CLEARED ? undefined : register;
  }

  /** All that have a value. */
  get all(): ReadonlyMap<string, Register> {
    const names = [...this.#known.keys(), ...this.#unwritten.keys()];
    const found = new Map<string, Register>();
    for (const name of names) {
      const register = this.get(name);
      if (register) found.set(name, register);
    }
    return found;
  }

  write(name: string, value: string, by: string): void {
    this.#unwritten.set(name, { value, at: this.#known.get(name)?.at ?? 0, by });
  }

  /** Clears a register, unless somebody has written it since `now`, which is the time of the last reading. */
  clear(name: string, now: number, by: string): void {
    const known = this.#known.get(name);
    if (!known || this.#unwritten.has(name)) return;
    const cleared = { value: CLEARED, at: Math.max(now, known.at + 1), by };
    this.#known.set(name, cleared);
    this.#lost.set(name, cleared);
  }

  /** What the next beat has to write. */
  get writes(): Write[] {
    const writes: Write[] = [];
    for (const [name, register] of this.#lost) {
      if (!this.#unwritten.has(name)) writes.push({ name, register, isNew: false });
    }
    for (const [name, register] of this.#unwritten) writes.push({ name, register, isNew: true });
    return writes;
  }

  /**
   * Takes in all registers that Redis has after `writes`.
   *
   * @param now Redis's clock.
   * @returns the names of those that others have written.
   */
  take(stored: ReadonlyMap<string, Register>, writes: readonly Write[], now: number): string[] {
    const own = new Map<string, Register>();
    for (const { name, register, isNew } of writes) {
      if (!isNew) continue;
      own.set(name, register);
      // The member may have written it again meanwhile.
      if (this.#unwritten.get(name) === register) this.#unwritten.delete(name);
    }
    const changed: string[] = [];
    for (const [name, register] of stored) {
      if (!isNewer(register, this.#known.get(name))) continue;
      this.#known.set(name, register);
      // What this member has written holds here since then, and may have been overridden for it alone.
      const isOwn = own.get(name)?.by === register.by && own.get(name)?.value === register.value;
      const unwritten = this.#unwritten.get(name);
      // It has to follow this one too, whose Redis may have had a clock that was ahead of the next one's.
      if (unwritten) this.#unwritten.set(name, { ...unwritten, at: register.at });
      else if (!isOwn) changed.push(name);
    }
    this.#findLost(stored, now);
    return changed;
  }

  #findLost(stored: ReadonlyMap<string, Register>, now: number): void {
    this.#lost.clear();
    for (const [name, register] of this.#known) {
      if (!isNewer(register, stored.get(name))) continue;
      // Redis forgets what was cleared after a while.
      const isOver = register.value === CLEARED && !stored.has(name) && now - register.at > clearedLife(name);
      if (isOver) this.#known.delete(name);
      else this.#lost.set(name, register);
    }
  }
}
