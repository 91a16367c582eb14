import { FleetDrains } from '../../src/operating/fleet-drains';
import { ModelFleet, ModelMember } from '../support/model-member';

const HOST = 'a:1';

let world: ModelFleet;

beforeEach(() => {
  world = new ModelFleet();
});

class Draining extends ModelMember {
  /** How often it was told that the host is drained. */
  told = 0;
  readonly #drains: FleetDrains;

  constructor(id: string, keyPrefix?: string) {
    super(world, id, [HOST], keyPrefix);
    this.#drains = new FleetDrains(this.fleet, this.hosts);
    this.hosts.on('drained', () => this.told += 1);
    this.waits = (host) => this.#drains.remainsOf(host).gone.length > 0;
  }

  get isDrained(): boolean {
    return this.hosts.isSettled(this.host());
  }

  drain(): void {
    this.hosts.drain(HOST);
    this.#drains.follow(this.host());
  }
}

/** Two that know each other. */
async function startTwo(keyPrefix?: string): Promise<[Draining, Draining]> {
  const [one, other] = [new Draining('one'), new Draining('other', keyPrefix)];
  await world.pass(3000, one, other);
  return [one, other];
}

describe('a host that the fleet drains is drained', () => {
  it('once no member has anything there, twice in a row', async () => {
    const [one, other] = await startTwo();
    const [here, there] = [one.know('x'), other.know('y')];
    one.drain();
    other.drain();
    await world.pass(10_000, one, other);
    one.forget(here);
    await world.pass(10_000, one, other);
    expect([one.told, other.told]).toEqual([0, 0]);
    other.forget(there);
    await world.pass(1500, other, one);
    expect([one.told, other.told]).toEqual([0, 0]);
    await world.pass(3000, other, one);
    expect([one.told, other.told]).toEqual([1, 1]);
    await world.pass(10_000, one, other);
    expect([one.told, other.told]).toEqual([1, 1]);
  });

  it('not before the other member drains it, too', async () => {
    const [one, other] = await startTwo();
    one.drain();
    await world.pass(10_000, one, other);
    expect(one.told).toBe(0);
    other.drain();
    await world.pass(6000, one, other);
    expect([one.told, other.told]).toEqual([1, 1]);
  });

  it('not while a session passes from one to the other', async () => {
    const [one, other] = await startTwo();
    const here = one.know('x');
    one.drain();
    other.drain();
    await world.pass(1500, one, other);
    one.forget(here);
    await world.pass(1500, one, other);
    const there = other.know('x');
    await world.pass(10_000, one, other);
    expect([one.told, other.told]).toEqual([0, 0]);
    other.forget(there);
    await world.pass(6000, one, other);
    expect([one.told, other.told]).toEqual([1, 1]);
  });

  it('not while Redis is away', async () => {
    const [one, other] = await startTwo();
    world.isAway = true;
    one.drain();
    other.drain();
    await world.pass(100_000, one, other);
    expect([one.told, other.told]).toEqual([0, 0]);
    world.isAway = false;
    await world.pass(6000, one, other);
    expect([one.told, other.told]).toEqual([1, 1]);
  });

  it('where the clock of a new Redis is behind, too', async () => {
    const [one, other] = await startTwo();
    one.drain();
    other.drain();
    // Each has found it idle once.
    await world.pass(1500, one, other);
    expect([one.told, other.told]).toEqual([0, 0]);
    world.offset = -300_000;
    await world.pass(6000, one, other);
    expect([one.told, other.told]).toEqual([1, 1]);
  });

  it.each<[what: string, lose: () => void]>([
    ['Redis has lost its data', () => world.lose()],
    ['the clock of a new Redis is ahead', () => world.offset = 300_000],
  ])('not for a member that starts where %s, while the others wait for one that is gone', async (_, lose) => {
    const [one, other] = await startTwo();
    const third = new Draining('third');
    await world.pass(3000, one, other, third);
    third.know('x');
    await world.pass(3000, one, other, third);
    for (const each of [one, other, third]) each.drain();
    await world.pass(10_000, one, other);
    lose();
    await world.pass(1500, one, other);
    const late = new Draining('late');
    await late.fleet.beat();
    late.drain();
    await world.pass(20_000, one, other, late);
    expect([one.told, other.told, late.told]).toEqual([0, 0, 0]);
    await world.pass(60_000, one, other, late);
    expect([one.told, other.told, late.told]).toEqual([1, 1, 1]);
  });

  it('anew after it was undone', async () => {
    const one = new Draining('one');
    const here = one.know('x');
    one.drain();
    await world.pass(3000, one);
    one.hosts.undrain(HOST);
    one.forget(here);
    await world.pass(10_000, one);
    expect(one.told).toBe(0);
    one.drain();
    await world.pass(1500, one);
    expect(one.told).toBe(0);
    await world.pass(1500, one);
    expect(one.told).toBe(1);
  });

  it('anew where this proxy had drained it for itself', async () => {
    const [one, other] = await startTwo();
    const session = other.know('y');
    one.hosts.drain(HOST);
    await new Promise((resolve) => void setImmediate(resolve));
    expect([one.told, one.hosts.isSettled(one.host())]).toEqual([1, true]);
    for (const member of [one, other]) member.drain();
    await world.pass(9000, one, other);
    expect([one.told, one.hosts.isSettled(one.host())]).toEqual([1, false]);
    other.forget(session);
    await world.pass(9000, one, other);
    expect([one.told, one.hosts.isSettled(one.host())]).toEqual([2, true]);
  });

  it('by a proxy that Redis refuses as without a fleet', async () => {
    const one = new Draining('one');
    world.isForbidden = true;
    one.drain();
    await world.pass(3000, one);
    expect(one.told).toBe(1);
    one.hosts.undrain(HOST);
    one.drain();
    await new Promise((resolve) => void setImmediate(resolve));
    expect(one.told).toBe(2);
  });

  it('by this proxy alone at once', async () => {
    const [one, other] = await startTwo();
    other.know('y');
    one.hosts.drain(HOST);
    await new Promise((resolve) => void setImmediate(resolve));
    expect(one.told).toBe(1);
  });
});

describe('a host that was drained is no longer', () => {
  /** What one has found drained is not, by what the other shows, until that is over. */
  async function reopensUntilOver(one: Draining, other: Draining, session: ReturnType<Draining['know']>): Promise<void> {
    await world.pass(1500, other, one);
    expect([one.told, one.isDrained]).toEqual([1, false]);
    other.drain();
    other.forget(session);
    await world.pass(4500, other, one);
    expect([one.told, one.isDrained]).toEqual([2, true]);
  }

  it('while a member that is back has something there, and is drained once more when that has ended', async () => {
    const [one, other] = await startTwo();
    const session = other.know('y');
    one.drain();
    await world.pass(66_000, one);
    expect([one.told, one.isDrained]).toEqual([1, true]);
    await reopensUntilOver(one, other, session);
    await world.pass(9000, other, one);
    expect(one.told).toBe(2);
  });

  it('where Redis refused the fleet, and another member turns out to have something there', async () => {
    const [one, other] = [new Draining('one'), new Draining('other')];
    world.isForbidden = true;
    const session = other.know('y');
    one.drain();
    await world.pass(3000, one, other);
    expect([one.told, one.isDrained]).toEqual([1, true]);
    world.isForbidden = false;
    await reopensUntilOver(one, other, session);
  });

  it('but still is where a member comes that has nothing there, and has yet to drain it', async () => {
    const one = new Draining('one');
    one.drain();
    await world.pass(4500, one);
    const late = new Draining('late');
    await world.pass(1500, late, one);
    expect([one.fleet.members.length, one.told, one.isDrained]).toEqual([2, 1, true]);
  });
});

describe('a member that vanishes', () => {
  it('is waited for until its sessions have expired, if it had any there', async () => {
    const [one, other] = await startTwo();
    other.know('y');
    for (const member of [one, other]) member.drain();
    await world.pass(1500, one, other);
    await world.pass(59_999, one);
    expect([one.fleet.members.length, one.told]).toEqual([1, 0]);
    await world.pass(4500, one);
    expect(one.told).toBe(1);
  });

  it.each([
    ['bound', 120], ['found', 60],
  ])('is waited for as long as a binding there may live that some member bound, also where it was %s', async (_, ttl) => {
    const [one, other] = await startTwo();
    const first = new Draining('first');
    const session = first.know('y', 0, 120);
    await world.pass(1500, first);
    first.forget(session);
    other.know('y', 0, ttl);
    // The one that has bound it has ended for long when the other one vanishes.
    for (const member of [one, other]) member.drain();
    first.drain();
    await world.pass(1500, first, one, other);
    await world.pass(150_000, one, other);
    expect([one.fleet.members.length, one.fleet.lost, one.told]).toEqual([2, [], 0]);
    await world.pass(119_999, one);
    expect([one.fleet.members.length, one.told]).toEqual([1, 0]);
    await world.pass(4500, one);
    expect(one.told).toBe(1);
  });

  it('is waited for by one that starts when it is silent for minutes, while a binding of its may live', async () => {
    const [, other] = await startTwo();
    other.know('y', 0, 300);
    await world.pass(1500, other);
    await world.pass(120_000);
    const late = new Draining('late');
    late.drain();
    await world.pass(178_500, late);
    expect([late.fleet.members.length, late.told]).toEqual([1, 0]);
    await world.pass(4500, late);
    expect(late.told).toBe(1);
  });

  it('is waited for if it did not drain the host', async () => {
    const [one] = await startTwo();
    one.drain();
    await world.pass(58_500, one);
    expect([one.fleet.members.length, one.told]).toEqual([1, 0]);
    await world.pass(6000, one);
    expect(one.told).toBe(1);
  });

  it('is not waited for if it had nothing there', async () => {
    const [one, other] = await startTwo();
    for (const member of [one, other]) member.drain();
    await world.pass(1500, one, other);
    await world.pass(9000, one);
    expect([one.fleet.members.length, one.told]).toEqual([1, 1]);
  });

  it.each([
    [0, 9000], [1, 63_000],
  ])('by a word is waited for as well if it had sessions there, %d: drained after %d ms', async (count, after) => {
    const [one, other] = await startTwo();
    for (let i = 0; i < count; i += 1) other.know(`z${i}`);
    one.drain();
    await other.fleet.start();
    await other.fleet.stop();
    await world.pass(after - 4500, one);
    expect(one.told).toBe(count === 0 ? 1 : 0);
    await world.pass(4500, one);
    expect([one.fleet.members.length, one.told]).toEqual([1, 1]);
  });
});

it.each([[1, 0], [0, 1]])('a member of another prefix counts while it has sessions there: %d', async (sessions, told) => {
  const [one, other] = await startTwo('q#');
  for (let i = 0; i < sessions; i += 1) other.know(`x${i}`);
  await world.pass(1500, other, one);
  one.drain();
  await world.pass(9000, one, other);
  expect(one.told).toBe(told);
});
