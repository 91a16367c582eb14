import type { LeaseGranted } from '../../src/fleet/fleet-store';
import { RedisFleet } from '../../src/fleet/redis-fleet';
import { Random } from '../support/random';
import { go, KEY, leasing, LIFE, Sharer, sumOf } from '../support/sharers';

/** More than a member counts a smaller slice as held, in ms. */
const HOLD = 1250;

beforeAll(() => leasing.start());
beforeEach(() => leasing.reset());

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
    expect(sumOf(Object.values(await leasing.held()))).toBeLessThanOrEqual(1);
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
    leasing.time += 1000;
    // The beat of a change, for one.
    await one.fleet.beat();
    await fleet.beat();
    expect(other.slice).toBe(0);
    leasing.time += HOLD - 1000;
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
    leasing.time += HOLD;
    expect(await go(2, one)).toEqual([100]);
    expect(await leasing.redis.hKeys(KEY)).toEqual(['one']);
  });

  it('that dies holds its lease until that is over, by Redis no sooner than by itself', async () => {
    const [one, other] = [new Sharer('one', 1000), new Sharer('other', 1000)];
    await go(6, one, other);
    // The last has beaten 750 ms ago.
    leasing.time += LIFE - 751;
    await one.fleet.beat();
    expect([one.slice, other.slice, other.isLeased]).toEqual([50, 50, true]);
    expect(await leasing.held()).toHaveProperty('other');
    leasing.time += 1;
    expect(other.isLeased).toBe(false);
    // Its own lease had run out as well: so it is careful for some beats.
    await go(6, one);
    expect(one.slice).toBe(100);
  });

  it('that is answered late believes in its lease no longer than Redis does', async () => {
    const one = new Sharer('one');
    one.delay = 2000;
    await one.fleet.beat();
    expect(one.fleet.slice).toEqual({ rate: 100, changesIn: LIFE - 2000 });
    one.delay = LIFE;
    await one.fleet.beat();
    expect([one.isLeased, await leasing.held()]).toEqual([false, {}]);
    expect(one.fleet.slice?.changesIn).toBeGreaterThan(500);
  });

  it('asks for no lease where it has no rate', async () => {
    const reading = await leasing.store.beat({ id: 'me', record: '{}', revision: '', writes: [] });
    expect([reading.lease, await leasing.redis.exists(KEY)]).toEqual([undefined, 0]);
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
    const [first, second] = [leasing.time - 1500 + LIFE, leasing.time - 1000 + LIFE];
    leasing.time = first - 1;
    expect([one.slice, one.fleet.slice?.changesIn]).toEqual([52, 1]);
    leasing.time = first;
    expect(one.slice).toBe(33);
    leasing.time = second;
    expect([one.slice, two.slice]).toEqual([33, 8]);
    const { changesIn = NaN } = two.fleet.slice ?? {};
    leasing.time += changesIn;
    expect(leasing.time - second).toBeGreaterThan(500);
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
    await leasing.redis.flushAll();
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
    await leasing.redis.flushAll();
    expect((await go(1, ...sharers)).every((slice) => slice >= 32 && slice <= 34)).toBe(true);
    expect(sumOf(Object.values(await leasing.held()))).toBeLessThanOrEqual(1);
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
    over: `${leasing.time} 0.5 1`, ahead: `${leasing.time + 61_000} 0.5 1`, text: 'garbage', empty: '', nan: `${leasing.time + 9} nan 1`,
    more: `${leasing.time + 9} 1.5 1`, negative: `${leasing.time + 9} -1 1`,
    short: `${leasing.time + 9} 1`, dots: `${leasing.time + 9} 1.1.1 .`,
  };
  await leasing.redis.hSet(KEY, { ...bad, lives: `${leasing.time + 9} 0.25 1` });
  const sharer = new Sharer('me', 1000);
  expect(await go(1, sharer)).toEqual([50]);
  expect((await leasing.redis.hKeys(KEY)).sort()).toEqual(['lives', 'me']);
  expect(await leasing.redis.pTTL(KEY)).toBeGreaterThan(60_000);
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
    await leasing.redis.flushAll();
    const random = new Random(seed);
    const rate = random.pick([0.5, 3, 10.5, 100, 1000]);
    let count = 0;
    const start = (): Sharer => new Sharer(`m${count += 1}`, random.below(2 * rate), rate);
    let sharers = [start()];
    for (let step = 0; step < 100; step += 1) {
      leasing.time += random.below(2 * 1500 / sharers.length);
      const sharer = random.pick(sharers);
      sharer.fault = random.chance(20) ? random.pick(['lost request', 'lost answer']) : undefined;
      if (random.chance(10)) sharer.wanted = random.pick([0, rate / 2, rate, 20 * rate]);
      if (random.chance(3) && sharers.length < 6) sharers.push(start());
      else if (random.chance(2) && sharers.length > 1) sharers = sharers.filter((other) => other !== sharer);
      // Who is used to wait for the answer of Redis uses its old slice meanwhile.
      const beats = sharer.fleet.beat();
      leasing.time += random.below(50);
      await beats;
      const used = sumOf(sharers.map((each) => each.used));
      const held = sumOf(Object.values(await leasing.held()));
      if (held > 1 + 1e-9) throw new Error(`seed ${seed}, step ${step}: ${held} of the rate is leased`);
      if (used > rate + 1e-6) throw new Error(`seed ${seed}, step ${step}: members use ${used} of ${rate}`);
    }
  }
}, 60_000);
