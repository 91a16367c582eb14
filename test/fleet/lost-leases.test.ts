import { Random } from '../support/random';
import { go, leasing, Sharer, sumOf } from '../support/sharers';

beforeAll(() => leasing.start());
beforeEach(() => leasing.reset());

describe('a member', () => {
  it.each([1, 2, 3])('uses no more than its part where Redis has lost all, and is away again after %d beats', async (beats) => {
    const sharers = ['one', 'two', 'three'].map((id) => new Sharer(id, 1000));
    await go(6, ...sharers);
    await leasing.redis.flushAll();
    for (const { fleet } of sharers.slice(0, beats)) await fleet.beat();
    for (const sharer of sharers) sharer.fault = 'lost request';
    const end = leasing.time + 60_000;
    for (; leasing.time < end; leasing.time += 500) expect(sumOf(sharers.map(({ slice }) => slice))).toBeLessThanOrEqual(100);
    expect(sharers.map(({ slice }) => slice)).toEqual([33, 33, 33]);
  });

  it('has no more than before of a Redis that has lost all, until the others have leases again', async () => {
    const [one, other, third] = [new Sharer('one', 1000), new Sharer('other'), new Sharer('third')];
    expect(await go(6, one, other, third)).toEqual([84, 8, 8]);
    await leasing.redis.flushAll();
    other.wanted = 1000;
    for (let beats = 0; beats < 3; beats += 1) {
      leasing.time += 500;
      await other.fleet.beat();
      expect(other.slice).toBe(8);
    }
    expect(sumOf(await go(6, one, other, third))).toBe(100);
    expect(other.slice).toBeGreaterThan(40);
  });
});

it('lets the members use no more than the rate together, whenever Redis loses all, is away and is back', async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    await leasing.reset();
    const random = new Random(seed);
    const rate = random.pick([3, 10.5, 100, 1000]);
    const sharers = Array.from({ length: 2 + random.below(4) }, (_, i) => new Sharer(`m${i}`, random.below(2 * rate), rate));
    await go(6, ...sharers);
    const due = sharers.map(() => leasing.time + random.below(300));
    let awayUntil = leasing.time;
    for (let step = 0; step < 150; step += 1) {
      const next = due.indexOf(Math.min(...due));
      const sharer = sharers[next] ?? new Sharer('none');
      leasing.time = due[next] ?? NaN;
      due[next] = leasing.time + 1250 + random.below(500);
      if (random.chance(3)) await leasing.redis.flushAll();
      // Else one may have missed it alone, and others have taken over its slice.
      const isBack = leasing.time > awayUntil + 1750;
      if (random.chance(5) && isBack) awayUntil = leasing.time + random.below(20_000);
      if (random.chance(10)) sharer.wanted = random.pick([0, rate / 2, rate, 20 * rate]);
      sharer.fault = leasing.time < awayUntil ? 'lost request' : undefined;
      await sharer.fleet.beat();
      const used = sumOf(sharers.map(({ slice }) => slice));
      if (used > rate + 1e-6) throw new Error(`seed ${seed}, step ${step}: members use ${used} of ${rate}`);
    }
  }
}, 60_000);
