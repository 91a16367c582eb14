import { Fleet, type Self } from '../../src/fleet/fleet';
import type { Beat, FleetStore, Reading } from '../../src/fleet/fleet-store';
import { CLEARED, isNewer, type Register } from '../../src/fleet/registers';
import { ModelStore } from '../support/fleet-model';
import { Random } from '../support/random';

const SCHEDULES = 2500;
const STEPS = 40;
const NAMES = ['a', 'b', 'c'];

const SELF: Self = {
  version: '', ready: true, workers: 1, spelling: { hosts: '', path: '', keyPrefix: '' }, hosts: [], level: 0, without: [], ended: [],
};

type Fault = 'lost request' | 'lost answer' | undefined;

/** A member, and what anybody may know of it by what it was told. */
class Simulated implements FleetStore {
  readonly fleet: Fleet;
  isCut = false;
  fault: Fault;
  /** The newest of each that it has read. */
  readonly known = new Map<string, Register>();
  /** What it has written, and no answer has told that Redis has it. */
  readonly pending = new Map<string, string>();
  /** What holds there, by its own writes and by its events. */
  readonly held = new Map<string, string>();
  /** Redis's clock when it last read. */
  readAt = 0;
  readonly #world: World;

  constructor(world: World, id: string) {
    this.#world = world;
    this.fleet = new Fleet({ id, timeout: 1000, life: 60_000, clock: () => world.time }, this, () => SELF);
    this.fleet.on('changed', (names) => {
      for (const name of names) this.held.set(name, this.valueOf(name));
    });
  }

  async beat(beat: Beat): Promise<Reading> {
    if (this.isCut || this.fault === 'lost request') throw new Error('no connection');
    const { store } = this.#world;
    store.now = Math.max(0, this.#world.time + this.#world.skew);
    const sent = new Map(this.pending);
    const reading = await store.beat(beat);
    const stored = new Map(store.registers);
    if (this.fault === 'lost answer') throw new Error('the connection is lost');
    for (const [name, value] of sent) if (this.pending.get(name) === value) this.pending.delete(name);
    for (const [name, register] of stored) if (isNewer(register, this.known.get(name))) this.known.set(name, register);
    this.readAt = reading.now;
    return reading;
  }

  write(name: string, value: string): void {
    this.fleet.write(name, value === CLEARED ? null : Number(value));
    this.pending.set(name, value);
    this.held.set(name, value);
  }

  clear(name: string): void {
    const known = this.known.get(name);
    if (!known || this.pending.has(name) || known.value === CLEARED) return;
    this.fleet.clear(name);
    this.known.set(name, { value: CLEARED, at: Math.max(this.readAt, known.at + 1), by: this.fleet.id });
    this.held.set(name, CLEARED);
  }

  valueOf(name: string): string {
    return this.fleet.get(name)?.value ?? CLEARED;
  }
}

class World {
  time = 1_000_000;
  /** Redis's clock, ahead of the members'. */
  skew = 0;
  store = new ModelStore();
  members: Simulated[] = [];
  readonly #random: Random;
  #copies: ModelStore[] = [];
  #count = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    for (let i = 0; i < 3; i += 1) this.#start();
  }

  async step(): Promise<void> {
    this.time += 1 + this.#random.below(2000);
    const member = this.#random.pick(this.members);
    const name = this.#random.pick(NAMES);
    switch (this.#random.below(14)) {
      case 0: case 1: case 2: { member.write(name, this.#value()); return; }
      case 3: { member.clear(name); return; }
      case 4: return this.#beat(member, 'lost request');
      case 5: return this.#beat(member, 'lost answer');
      case 6: return this.#beatAndWrite(member, name);
      case 7: { this.#faultOf(member); return; }
      default: return this.#beat(member);
    }
  }

  /** Heals all, and lets each member beat a few times. */
  async heal(): Promise<void> {
    for (const member of this.members) member.isCut = false;
    for (let round = 0; round < 3; round += 1) {
      for (const member of this.members) {
        this.time += 10;
        await this.#beat(member);
      }
    }
  }

  /**
   * What may be agreed on: what somebody has still to write, or else the newest that anybody knows. That one may also
   * outlast a write where it has got its time from a Redis whose clock was ahead.
   */
  candidatesOf(name: string): string[] {
    const written = this.members.flatMap((member) => member.pending.get(name) ?? []);
    let newest = this.store.registers.get(name);
    for (const { known } of this.members) {
      const register = known.get(name);
      if (register && isNewer(register, newest)) newest = register;
    }
    if (written.length === 0) return [newest?.value ?? CLEARED];
    return newest && newest.at >= this.time + this.skew ? [...written, newest.value] : written;
  }

  async #beat(member: Simulated, fault?: Fault): Promise<void> {
    member.fault = fault;
    await member.fleet.beat();
  }

  async #beatAndWrite(member: Simulated, name: string): Promise<void> {
    const beat = this.#beat(member, this.#random.pick([undefined, 'lost answer']));
    member.write(name, this.#value());
    await beat;
  }

  #faultOf(member: Simulated): void {
    const crash = (): void => {
      this.members = this.members.filter((other) => other !== member);
      this.#start();
    };
    const failOver = (): void => {
      this.store = this.#random.pick([...this.#copies, this.store]).copy();
      this.skew = this.#random.pick([0, -5000, 5000]);
    };
    this.#random.pick([
      crash, failOver, failOver,
      () => this.store = new ModelStore(),
      () => member.isCut = !member.isCut,
      () => void this.#copies.push(this.store.copy()),
      () => void this.#copies.push(this.store.copy()),
    ])();
  }

  #start(): void {
    this.members.push(new Simulated(this, `member-${this.#count += 1}`));
  }

  /** Unlike any before. */
  #value(): string {
    return this.#random.chance(10) ? CLEARED : String(this.#count += 1);
  }
}

it(`agrees after each of ${SCHEDULES} schedules of writes and faults, on the newest that was known`, async () => {
  for (let seed = 1; seed <= SCHEDULES; seed += 1) {
    const world = new World(seed);
    for (let step = 0; step < STEPS; step += 1) await world.step();
    const candidates = NAMES.map((name) => world.candidatesOf(name));
    await world.heal();
    const stored = NAMES.map((name) => world.store.registers.get(name)?.value ?? CLEARED);
    for (const member of world.members) {
      const own = NAMES.map((name) => member.valueOf(name));
      const held = NAMES.map((name) => member.held.get(name) ?? CLEARED);
      if (JSON.stringify([own, held]) !== JSON.stringify([stored, stored])) {
        throw new Error(`seed ${seed}: ${member.fleet.id} has ${own.join()} and holds ${held.join()}; Redis has ${stored.join()}`);
      }
    }
    stored.forEach((value, i) => {
      const expected = candidates[i] ?? [];
      if (!expected.includes(value)) throw new Error(`seed ${seed}: ${NAMES[i]} is ${value}, and not ${expected.join(' or ')}`);
    });
  }
}, 120_000);
