import type { Beat, FleetStore, Reading, Shown } from '../../src/fleet/fleet-store';
import { CLEARED, clearedLife, isNewer, type Register, type Write } from '../../src/fleet/registers';

const RECORD_LIFE = 60_000;

/** What Redis does at a beat, written once more, with a clock that a test sets. */
export class ModelStore implements FleetStore {
  now = 1_000_000;
  members = new Map<string, Shown>();
  registers = new Map<string, Register>();
  revision = '';

  beat({ id, record, revision, writes }: Beat): Promise<Reading> {
    const changed = writes.map((write) => this.#write(write)).includes(true);
    if (changed) {
      this.revision = `${Math.max(this.now, Number(this.revision.split(' ')[0]) + 1)} ${id}`;
      for (const [name, { value, at }] of this.registers) {
        if (value === CLEARED && this.now - at > clearedLife(name)) this.registers.delete(name);
      }
    }
    const isNew = !this.members.has(id);
    this.members.set(id, { record, at: this.now });
    const members = new Map(this.members);
    for (const [name, { at, record: text }] of members) {
      const keep = Number(/^{"keep":(\d+)/.exec(text)?.[1] ?? 0);
      if (Math.abs(this.now - at) > Math.max(RECORD_LIFE, Math.min(keep, 86_400_000))) members.delete(name);
    }
    const registers = this.revision === revision ? undefined : new Map(this.registers);
    return Promise.resolve({ now: this.now, revision: this.revision, members, isNew, registers });
  }

  /** All that it has, as a replica may have it. */
  copy(): ModelStore {
    const { now, members, registers, revision } = this;
    return Object.assign(new ModelStore(), { now, members: new Map(members), registers: new Map(registers), revision });
  }

  #write({ name, register: { value, at, by }, isNew }: Write): boolean {
    const stored = this.registers.get(name);
    const written = { value, at: isNew ? Math.max(this.now, at + 1, (stored?.at ?? 0) + 1) : at, by };
    const counts = isNewer(written, stored);
    if (counts) this.registers.set(name, written);
    return counts;
  }
}
