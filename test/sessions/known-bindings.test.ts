import { Host } from '../../src/hosts/host';
import { Copy, NEVER } from '../../src/sessions/binding';
import { stopClock, type Clock } from '../support/clock';
import { bound, held, known, sessionsOf } from '../support/known-bindings';

let clock: Clock;

beforeEach(() => {
  clock = stopClock();
});

describe('a binding that is made', () => {
  it.each([[45, 60], [46, 62], [0, 60], [90, 120]])(
    'is stored for 4/3 of %d s of life, and at least for keyExpiry: %d s',
    async (lifetime, ttl) => {
      const all = known();
      const binding = await bound(all, 'x', all.a, lifetime);
      expect(all.asked).toEqual([`claim x a:1 ${ttl}`]);
      expect(binding).toMatchObject({ sid: 'x', host: all.a, ttl, copy: Copy.Made });
      expect([all.bindings.find('x'), sessionsOf(all)]).toEqual([binding, [1, 0]]);
    },
  );

  it('counts, and is found, once it is stored', async () => {
    let stored = (): void => {};
    const all = known({}, { claim: () => new Promise((resolve) => stored = () => resolve('a:1')) });
    const binding = bound(all, 'x', all.a, 45);
    expect([await all.bindings.find('x'), sessionsOf(all)]).toEqual([undefined, [0, 0]]);
    stored();
    expect([await binding, sessionsOf(all)]).toEqual([all.bindings.find('x'), [1, 0]]);
  });

  it('is known here alone while the store fails, and stored when that is back', async () => {
    const all = known();
    const told: string[] = [];
    for (const event of ['degraded', 'recovered'] as const) all.bindings.on(event, () => told.push(event));
    all.bindings.start();
    all.fail();
    expect(await bound(all, 'x', all.a, 45)).toMatchObject({ copy: Copy.None, storedAt: NEVER });
    expect([all.bindings.degraded, all.asked, all.bindings.find('x')]).toMatchObject([true, [], { host: all.a }]);
    await clock.advance(1000);
    expect([all.bindings.degraded, told]).toEqual([false, ['degraded', 'recovered']]);
    expect(all.asked).toEqual(['claim x a:1 60']);
  });

  it('takes the place of what is known of the sid', async () => {
    const all = known();
    const first = await bound(all, 'x', all.a, 45);
    // Its session cannot go on.
    all.hosts.report(all.a, 'silent');
    const second = await bound(all, 'x', all.b, 45);
    expect([all.bindings.find('x'), sessionsOf(all)]).toEqual([second, [0, 1]]);
    expect([all.bindings.has(first), all.bindings.has(second)]).toEqual([false, true]);
  });

  it('leaves the cache when that is full, by which it counts no longer', async () => {
    const all = known({ cacheSize: 1 });
    const first = await bound(all, 'x', all.a, 45);
    await bound(all, 'y', all.b, 45);
    expect([sessionsOf(all), all.bindings.has(first), [...all.bindings.all()].map(({ sid }) => sid)]).toEqual([[0, 1], false, ['y']]);
  });
});

describe('a sid', () => {
  it('that is unknown here is looked up, and then known', async () => {
    const all = known();
    await all.inner.bind('x', 'b:1', 60);
    const found = await all.bindings.find('x');
    expect(found).toMatchObject({ sid: 'x', host: all.b, ttl: 60, copy: Copy.Made });
    expect([all.bindings.find('x'), sessionsOf(all), all.asked]).toEqual([found, [0, 1], ['find x 60']]);
    expect(all.totals.cache).toEqual({ hits: 1, misses: 1 });
  });

  it('that nobody knows has never been seen', async () => {
    const all = known();
    const sought: string[] = [];
    all.hosts.seekWith((name) => void sought.push(name));
    expect([await all.bindings.find('x'), all.bindings.absence('x'), [...all.bindings.all()]]).toEqual([undefined, 'never_seen', []]);
    expect(sought).toHaveLength(0);
  });

  it('that the store binds to no host has lost it, unless somebody finds that host', async () => {
    const all = known();
    for (const sid of ['x', 'y']) await all.inner.bind(sid, `${sid}:1`, 60);
    all.hosts.seekWith((name) => {
      if (name === 'y:1') all.hosts.add(new Host(name));
    });
    expect([await all.bindings.find('x'), all.bindings.absence('x')]).toEqual([undefined, 'host_gone']);
    expect(await all.bindings.find('y')).toMatchObject({ host: all.hosts.named('y:1') });
    expect(all.bindings.absence('y')).toBe('never_seen');
  });

  it('that is bound here while it is looked up has the newer host', async () => {
    let answer = (): void => {};
    const all = known({}, { find: () => new Promise((resolve) => answer = () => resolve('a:1')) });
    const looking = all.bindings.find('x');
    const binding = await bound(all, 'x', all.b, 45);
    answer();
    expect([await looking, sessionsOf(all)]).toEqual([binding, [0, 1]]);
  });

  it('is looked up once its binding has expired, and forgotten where the store has forgotten it', async () => {
    const all = known();
    const binding = await bound(all, 'x', all.a, 45);
    await clock.advance(60_000);
    // Which is a use, and asks the store to renew its copy.
    expect(all.bindings.find('x')).toBe(binding);
    await clock.advance(60_000);
    await all.inner.unbind('x');
    await clock.advance(1);
    expect([all.bindings.has(binding), sessionsOf(all)]).toEqual([false, [1, 0]]);
    expect([await all.bindings.find('x'), sessionsOf(all), all.totals.cache]).toEqual([undefined, [0, 0], { hits: 1, misses: 1 }]);
  });
});

it('renews the store\'s copy of a session that is used once a quarter of its time has passed', async () => {
  const all = known();
  await bound(all, 'x', all.a, 45);
  await clock.advance(15_000);
  void all.bindings.find('x');
  expect(all.asked).toEqual(['claim x a:1 60']);
  await clock.advance(1);
  for (let i = 0; i < 2; i += 1) void all.bindings.find('x');
  expect(all.asked).toEqual(['claim x a:1 60', 'find x 60']);
});

describe('a session whose host is gone', () => {
  it('is not used by a request that will be refused, and counts again once its host is back and it is used', async () => {
    const all = known();
    const binding = await bound(all, 'x', all.a, 45);
    const { usedAt } = binding;
    await clock.advance(20_000);
    all.hosts.report(all.a, 'refused');
    expect([all.bindings.find('x'), binding.usedAt, sessionsOf(all), all.asked.length]).toEqual([binding, usedAt, [0, 0], 1]);
    all.hosts.report(all.a, undefined);
    for (let i = 0; i < 2; i += 1) expect(all.bindings.find('x')).toBe(binding);
    expect([binding.usedAt - usedAt, sessionsOf(all)]).toEqual([20_000, [1, 0]]);
  });

  it.each<[what: string, gone: boolean, absence: string]>([['is up', false, 'expired'], ['is gone', true, 'host_gone']])(
    'expires in its time; its client is told so by its cause where the host %s', async (_, gone, absence) => {
      const all = known();
      all.bindings.start();
      await bound(all, 'x', all.a, 45);
      if (gone) all.hosts.report(all.a, 'refused');
      await clock.advance(59_000);
      expect(all.bindings.absence('x')).toBe('never_seen');
      await clock.advance(7000);
      expect([all.bindings.absence('x'), sessionsOf(all), [...all.bindings.all()]]).toEqual([absence, [0, 0], []]);
    },
  );
});

describe('a session that is held', () => {
  it('does not expire, has its copy renewed, and lives on for its time after that', async () => {
    const all = known();
    all.bindings.start();
    const binding = await bound(all, 'x', all.a, 45);
    const works = [held(all, binding), held(all, binding)] as const;
    await clock.advance(600_000);
    expect([all.bindings.find('x'), sessionsOf(all)]).toEqual([binding, [1, 0]]);
    // Every 15 s at most, looked at each 5 s.
    expect(all.asked.filter((call) => call === 'find x 60').length).toBeGreaterThanOrEqual(600 / 20);
    all.bindings.release(binding, works[0], false);
    all.asked.length = 0;
    await clock.advance(600_000);
    expect(all.asked.length).toBeGreaterThanOrEqual(600 / 20);
    all.bindings.release(binding, works[1], false);
    await clock.advance(59_000);
    expect(sessionsOf(all)).toEqual([1, 0]);
    await clock.advance(7000);
    expect(sessionsOf(all)).toEqual([0, 0]);
  });

  it('has its copy renewed when it is released, since the next request may reach another proxy', async () => {
    const all = known();
    const binding = await bound(all, 'x', all.a, 45);
    const work = held(all, binding);
    await clock.advance(15_001);
    all.bindings.release(binding, work, false);
    expect(all.asked).toEqual(['claim x a:1 60', 'find x 60']);
  });

  it('that its host did not know has expired, and soon counts no more, unless the store knows it at its next use', async () => {
    const all = known();
    all.bindings.start();
    const binding = await bound(all, 'x', all.a, 45);
    all.bindings.release(binding, held(all, binding), true);
    expect([all.bindings.known('x'), sessionsOf(all)]).toEqual([undefined, [1, 0]]);
    await clock.advance(5000);
    expect([all.bindings.absence('x'), sessionsOf(all)]).toEqual(['expired', [0, 0]]);
    const again = await all.bindings.find('x');
    expect([again?.host, again === binding, sessionsOf(all)]).toEqual([all.a, false, [1, 0]]);
  });

  it('counts until it is released though it has left the cache, and can be looked at', async () => {
    const all = known({ cacheSize: 1 });
    const binding = await bound(all, 'x', all.a, 45);
    const work = held(all, binding);
    await bound(all, 'y', all.b, 45);
    all.asked.length = 0;
    expect([sessionsOf(all), all.bindings.has(binding), await all.bindings.inspect('x')]).toEqual([[1, 1], true, binding]);
    expect([[...all.bindings.all()].map(({ sid }) => sid), all.asked]).toEqual([['x', 'y'], []]);
    expect(await all.bindings.inspect('z')).toBeUndefined();
    expect([all.bindings.find('x'), sessionsOf(all), all.asked]).toEqual([binding, [1, 1], ['inspect z']]);
    all.bindings.release(binding, work, false);
    expect([sessionsOf(all), all.bindings.has(binding)]).toEqual([[0, 1], false]);
  });
});

describe('inspect', () => {
  it('is no use of what is known here, and asks the store for the rest', async () => {
    const all = known();
    const binding = await bound(all, 'x', all.a, 45);
    await all.inner.bind('y', 'b:1', 30);
    const { usedAt } = binding;
    await clock.advance(30_000);
    expect(await all.bindings.inspect('x')).toBe(binding);
    expect(binding.usedAt).toBe(usedAt);
    await all.inner.bind('y', 'b:1', 30);
    expect(await all.bindings.inspect('y')).toMatchObject({ host: 'b:1' });
    expect(await all.bindings.inspect('z')).toBeUndefined();
    expect([all.asked, sessionsOf(all)]).toEqual([['claim x a:1 60', 'inspect y', 'inspect z'], [1, 0]]);
  });
});
