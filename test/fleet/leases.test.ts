import { Fleet, type Self } from '../../src/fleet/fleet';
import type { Beat, FleetStore, LeaseGranted, Reading } from '../../src/fleet/fleet-store';
import { RedisFleet } from '../../src/fleet/redis-fleet';
import { Random } from '../support/random';
import { openClient, RedisProcess, type TestClient } from '../support/redis';

const KEY = '{socket.io-fleet}:rate:p#';
const SELF: Self = {
  version: '', ready: true, workers: 1, spelling: { hosts: '', path: '', keyPrefix: '' }, hosts: [], level: 0, without: [],
};

/** How long a lease lives, in ms. */
const LIFE = 4500;

/** More than a member counts a smaller slice as held, in ms. */
const HOLD = 1250;

let redis: TestClient;
/** The clock of Redis and of the members, in ms. */
let time: number;
/** The script, told what time it is. */
const store = new RedisFleet((script, keys, args) => {
  const now = `{ '${Math.floor(time / 1000)}', '${time % 1000 * 1000}' }`;
  return redis.eval(script.replace("redis.call('TIME')", now), { keys: [...keys], arguments: [...args] });
}, 'p#');

beforeAll(async () => {
  redis = await openClient((await RedisProcess.start()).url);
});
beforeEach(async () => {
  await redis.flushAll();
  time = 1_000_000_000_000;
});

/** What members hold by Redis, as parts of the rate. */
async function heldBy(): Promise<Record<string, number>> {
  const pairs = Object.entries(await redis.hGetAll(KEY)).map(([id, text]): [string, number[]] => [id, text.split(' ').map(Number)]);
  return Object.fromEntries(pairs.filter(([, [until = 0]]) => until > time).map(([id, [, held = NaN]]) => [id, held]));
}

/** A member with a demand, whose beats may fail. */
class Sharer implements FleetStore {
  readonly fleet: Fleet;
  rate = 100;
  wanted = 0;
  /** How long an answer is on its way, in ms. */
  delay = 0;
  fault: 'lost request' | 'lost answer' | undefined;
  /** The highest slice at each of the last times when it was looked at. */
  readonly #slices: { at: number; rate: number }[] = [];
  /** When Redis was last asked, and has answered. */
  #askedAt = -Infinity;

  constructor(readonly id: string, wanted = 0, rate = 100) {
    this.wanted = wanted;
    this.rate = rate;
    this.fleet = new Fleet({ id, timeout: 1000, life: 60_000, clock: () => time }, this, () => SELF);
    this.fleet.share({ rate, wanted: () => this.wanted });
  }

  async beat(beat: Beat): Promise<Reading> {
    const { fault } = this;
    if (fault === 'lost request') throw new Error('no connection');
    const askedAt = time;
    const reading = await store.beat(beat);
    time += this.delay;
    if (fault) throw new Error('the connection is lost');
    this.#askedAt = askedAt;
    return reading;
  }

  get slice(): number {
    return this.fleet.slice?.rate ?? NaN;
  }

  /** Redis has not let its lease end. */
  get isLeased(): boolean {
    return time - this.#askedAt < LIFE;
  }

  /** The highest slice of the last second in which it was leased. */
  get used(): number {
    if (!this.isLeased) this.#slices.length = 0;
    this.#slices.push({ at: time, rate: this.isLeased ? this.slice : 0 });
    while ((this.#slices[1]?.at ?? Infinity) <= time - 1000) this.#slices.shift();
    return Math.max(...this.#slices.map(({ rate }) => rate));
  }
}

/** So many times each beats in its turn, which takes 1.5 s. */
async function go(rounds: number, ...sharers: Sharer[]): Promise<number[]> {
  for (let round = 0; round < rounds; round += 1) {
    for (const { fleet } of sharers) {
      await fleet.beat();
      time += Math.ceil(1500 / sharers.length);
    }
  }
  return sharers.map(({ slice }) => slice);
}

const sumOf = (numbers: Iterable<number>): number => [...numbers].reduce((sum, each) => sum + each, 0);

describe('the slices of a rate', () => {
  it.each<[what: string, rate: number, wants: number[], slices: number[]]>([
    ['are all of it for one alone', 10.5, [0], [10.5]],
    ['are as large as is wanted, and share the rest evenly', 100, [10, 20, 30], [23, 33, 44]],
    ['are cut for those that want most', 100, [20, 300, 50], [20, 40, 40]],
    ['are a quarter of an equal part at least', 100, [0, 1000], [12, 88]],
    ['are whole where there is one a second for each', 5, [0, 0, 9], [1, 1, 3]],
    ['are equal where there is not', 2, [0, 0, 9], [2 / 3, 2 / 3, 2 / 3]],
  ])('%s', async (_, rate, wants, expected) => {
    const sharers = wants.map((wanted, i) => new Sharer(`m${i}`, wanted, rate));
    const slices = await go(6, ...sharers);
    slices.forEach((slice, i) => expect(slice).toBeCloseTo(expected[i] ?? NaN, 6));
    expect(sumOf(Object.values(await heldBy()))).toBeLessThanOrEqual(1);
  });

  it('are the same parts of rates that differ', async () => {
    expect(await go(6, new Sharer('a', 1000), new Sharer('b', 1000, 50))).toEqual([50, 25]);
  });

  it('follow the demand', async () => {
    const [one, other] = [new Sharer('one', 1000), new Sharer('other')];
    expect(await go(6, one, other)).toEqual([88, 12]);
    [one.wanted, other.wanted] = [0, 1000];
    expect(await go(3, one, other)).toEqual([12, 88]);
  });

  it('become smaller at once, and free only when no second can see both', async () => {
    const [one, other] = [new Sharer('one', 1000), new Sharer('other', 1000)];
    await go(1, one);
    const { fleet } = other;
    await fleet.beat();
    expect([one.slice, other.slice]).toEqual([100, 0]);
    await one.fleet.beat();
    expect(one.slice).toBe(50);
    time += 1000;
    // The beat of a change, for one.
    await one.fleet.beat();
    await fleet.beat();
    expect(other.slice).toBe(0);
    time += HOLD - 1000;
    await one.fleet.beat();
    await fleet.beat();
    expect([one.slice, other.slice]).toEqual([50, 50]);
  });
});

describe('a member', () => {
  it('that comes has its part within three of its beats, while the others want all', async () => {
    const others = [new Sharer('a', 1000), new Sharer('b', 1000)];
    await go(6, ...others);
    const late = new Sharer('late', 1000);
    const slices = [await go(1, late, ...others), await go(1, late, ...others), await go(1, late, ...others)];
    expect(slices.map(([slice = NaN]) => slice)).toEqual([0, 0, expect.closeTo(33, -0.5) as number]);
  });

  it('that leaves gives its lease back', async () => {
    const [one, other] = [new Sharer('one', 1000), new Sharer('other', 1000)];
    await go(6, one, other);
    await other.fleet.start();
    await other.fleet.stop();
    time += HOLD;
    expect(await go(2, one)).toEqual([100]);
    expect(await redis.hKeys(KEY)).toEqual(['one']);
  });

  it('that dies holds its lease until that is over, by Redis no sooner than by itself', async () => {
    const [one, other] = [new Sharer('one', 1000), new Sharer('other', 1000)];
    await go(6, one, other);
    // The last has beaten 750 ms ago.
    time += LIFE - 751;
    await one.fleet.beat();
    expect([one.slice, other.slice, other.isLeased]).toEqual([50, 50, true]);
    expect(await heldBy()).toHaveProperty('other');
    time += 1;
    expect(other.isLeased).toBe(false);
    // Its own lease had run out as well: so it is careful for some beats.
    await go(4, one);
    expect(one.slice).toBe(100);
  });

  it('that is answered late believes in its lease no longer than Redis does', async () => {
    const one = new Sharer('one');
    one.delay = 2000;
    await one.fleet.beat();
    expect(one.fleet.slice).toEqual({ rate: 100, changesIn: LIFE - 2000 });
    one.delay = LIFE;
    await one.fleet.beat();
    expect([one.isLeased, await heldBy()]).toEqual([false, {}]);
    expect(one.fleet.slice?.changesIn).toBeGreaterThan(500);
  });

  it('asks for no lease where it has no rate', async () => {
    const reading = await store.beat({ id: 'me', record: '{}', revision: '', writes: [] });
    expect([reading.lease, await redis.exists(KEY)]).toEqual([undefined, 0]);
  });
});

describe('without an answer of Redis, a member', () => {
  it('uses a quarter before it knows how many there are', async () => {
    const one = new Sharer('one');
    one.fault = 'lost request';
    expect([one.slice, await go(5, one)]).toEqual([25, [25]]);
    expect(new Sharer('slow', 0, 2).slice).toBe(0.5);
    one.fault = undefined;
    // An answer that is too late tells of those alone who asked before.
    one.delay = LIFE;
    expect(await go(1, one)).toEqual([25]);
    one.delay = 0;
    expect(await go(5, one)).toEqual([100]);
  });

  it('uses all where Redis refuses the fleet from the beginning', async () => {
    const one = new Sharer('one');
    one.beat = () => Promise.reject(new Error('NOPERM this user has no permissions'));
    await one.fleet.beat();
    expect(one.slice).toBe(100);
  });

  it('uses its lease, and then an equal part: a larger one only once no other lease can be running', async () => {
    const [one, two, three] = [new Sharer('one', 1000), new Sharer('two'), new Sharer('three', 40)];
    expect(await go(6, one, two, three)).toEqual([52, 8, 40]);
    // From its last beat, when it was asked.
    const [first, second] = [time - 1500 + LIFE, time - 1000 + LIFE];
    time = first - 1;
    expect([one.slice, one.fleet.slice?.changesIn]).toEqual([52, 1]);
    time = first;
    expect(one.slice).toBe(33);
    time = second;
    expect([one.slice, two.slice]).toEqual([33, 8]);
    const { changesIn = NaN } = two.fleet.slice ?? {};
    time += changesIn;
    expect(time - second).toBeGreaterThan(500);
    expect([one.slice, two.slice, three.slice]).toEqual([33, 33, 33]);
    expect([one, two].map(({ fleet }) => fleet.slice?.changesIn)).toEqual([undefined, undefined]);
  });

  it.each([
    ['late', LIFE], ['in time', 0],
  ])('uses no more than its part where Redis is back without the leases, and answers %s', async (_, delay) => {
    const sharers = ['one', 'two', 'three'].map((id) => new Sharer(id, 1000));
    const [one, ...others] = sharers as [Sharer, Sharer, Sharer];
    await go(6, ...sharers);
    for (const sharer of sharers) sharer.fault = 'lost request';
    await go(5, ...sharers);
    await redis.flushAll();
    one.fault = undefined;
    one.delay = delay;
    await one.fleet.beat();
    expect(one.slice).toBeLessThanOrEqual(34);
    // The others reach it a moment later.
    one.delay = 0;
    await go(1, one);
    expect([one, ...others].map(({ slice }) => slice)).toEqual([33, 33, 33]);
    for (const other of others) other.fault = undefined;
    expect(sumOf(await go(3, ...sharers))).toBe(100);
  });

  it('has its equal part again of a Redis that has lost all, and no more', async () => {
    const sharers = ['one', 'two', 'three'].map((id) => new Sharer(id, 1000));
    await go(6, ...sharers);
    await redis.flushAll();
    expect((await go(1, ...sharers)).every((slice) => slice >= 32 && slice <= 34)).toBe(true);
    expect(sumOf(Object.values(await heldBy()))).toBeLessThanOrEqual(1);
  });

  it('that was cut off gives way, until the others have', async () => {
    const [one, other] = [new Sharer('one', 1000), new Sharer('other', 1000)];
    await go(6, one, other);
    other.fault = 'lost request';
    expect(await go(8, one, other)).toEqual([100, 50]);
    other.fault = undefined;
    expect(await go(1, other, one)).toEqual([0, 50]);
    expect(await go(2, other, one)).toEqual([50, 50]);
  });
});

it('deletes what is over, and what is none', async () => {
  const bad = {
    over: `${time} 0.5 1`, ahead: `${time + 61_000} 0.5 1`, text: 'garbage', empty: '', nan: `${time + 9} nan 1`,
    more: `${time + 9} 1.5 1`, negative: `${time + 9} -1 1`, short: `${time + 9} 1`, dots: `${time + 9} 1.1.1 .`,
  };
  await redis.hSet(KEY, { ...bad, lives: `${time + 9} 0.25 1` });
  const sharer = new Sharer('me', 1000);
  expect(await go(1, sharer)).toEqual([50]);
  expect((await redis.hKeys(KEY)).sort()).toEqual(['lives', 'me']);
  expect(await redis.pTTL(KEY)).toBeGreaterThan(60_000);
});

it('is told of no lease by a client that answers otherwise', async () => {
  const odd = (granted: unknown, sharers: unknown): Promise<LeaseGranted | undefined> => {
    const fleet = new RedisFleet(() => Promise.resolve(['5', '', [], null, granted, sharers]), 'p#');
    return fleet.beat({ id: 'me', record: '{}', revision: '', writes: [] }).then(({ lease }) => lease);
  };
  expect(await odd(Buffer.from('2.5'), Buffer.from('3'))).toEqual({ granted: 2.5, sharers: 3 });
  for (const [granted, sharers] of [['', 0], [null, null], ['x', 1], ['1', 'x']]) expect(await odd(granted, sharers)).toBeUndefined();
});

it('never leases more than the rate, whatever fails, nor do members use more in a second', async () => {
  for (let seed = 1; seed <= 80; seed += 1) {
    await redis.flushAll();
    const random = new Random(seed);
    const rate = random.pick([0.5, 3, 10.5, 100, 1000]);
    let count = 0;
    const start = (): Sharer => new Sharer(`m${count += 1}`, random.below(2 * rate), rate);
    let sharers = [start()];
    for (let step = 0; step < 100; step += 1) {
      time += random.below(2 * 1500 / sharers.length);
      const sharer = random.pick(sharers);
      sharer.fault = random.chance(20) ? random.pick(['lost request', 'lost answer']) : undefined;
      if (random.chance(10)) sharer.wanted = random.pick([0, rate / 2, rate, 20 * rate]);
      if (random.chance(3) && sharers.length < 6) sharers.push(start());
      else if (random.chance(2) && sharers.length > 1) sharers = sharers.filter((other) => other !== sharer);
      // Who is used to wait for the answer of Redis uses its old slice meanwhile.
      const beats = sharer.fleet.beat();
      time += random.below(50);
      await beats;
      const used = sumOf(sharers.map((each) => each.used));
      const held = sumOf(Object.values(await heldBy()));
      if (held > 1 + 1e-9) throw new Error(`seed ${seed}, step ${step}: ${held} of the rate is leased`);
      if (used > rate + 1e-6) throw new Error(`seed ${seed}, step ${step}: members use ${used} of ${rate}`);
    }
  }
}, 60_000);
