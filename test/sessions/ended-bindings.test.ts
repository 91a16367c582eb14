import { NEVER, type Binding } from '../../src/sessions/binding';
import { settle, stopClock, type Clock } from '../support/clock';
import { bound, held, known, sessionsOf, type Known } from '../support/known-bindings';

let clock: Clock;

beforeEach(() => {
  clock = stopClock();
});

describe('a session that is over', () => {
  it.each<[what: string, session: (binding: Binding) => Binding | undefined]>([
    ['by its binding', (binding) => binding], ['by its sid', () => undefined],
  ])(
    'is forgotten here at once, and in the store soon: %s', async (_, session) => {
      const all = known();
      const binding = await bound(all, 'x', all.a, 45);
      const work = held(all, binding);
      all.bindings.unbind('x', all.a, session(binding));
      expect([all.bindings.absence('x'), sessionsOf(all), all.bindings.has(binding)]).toEqual(['ended', [0, 0], false]);
      // Not found there in the meantime.
      expect(await all.bindings.find('x')).toBeUndefined();
      expect(all.asked.slice(1)).toEqual(['release x a:1 9007199254740991', 'find x 60']);
      all.bindings.release(binding, work, false);
      expect(sessionsOf(all)).toEqual([0, 0]);
    },
  );

  it('is forgotten in the store where only that knows it', async () => {
    const all = known();
    await all.inner.bind('x', 'a:1', 60);
    all.bindings.unbind('x', all.a);
    await settle();
    expect([await all.inner.inspect('x'), all.bindings.absence('x'), sessionsOf(all)]).toEqual([undefined, 'ended', [0, 0]]);
  });

  it('leaves the session of another host that has been given the same sid', async () => {
    const all = known();
    const first = await bound(all, 'x', all.a, 45);
    const work = held(all, first);
    all.hosts.report(all.a, 'silent');
    const second = await bound(all, 'x', all.b, 45);
    expect(sessionsOf(all)).toEqual([1, 1]);
    all.bindings.unbind('x', all.a, first, true);
    await settle();
    expect([all.bindings.find('x'), sessionsOf(all), all.bindings.absence('x')]).toEqual([second, [0, 1], 'never_seen']);
    expect(await all.inner.inspect('x')).toMatchObject({ host: 'b:1' });
    all.bindings.release(first, work, false);
    expect(sessionsOf(all)).toEqual([0, 1]);
  });

  it('leaves the session in the store that its host has given the same sid meanwhile', async () => {
    const all = known();
    all.bindings.unbind('x', all.a, await bound(all, 'x', all.a, 45), true);
    const second = await bound(all, 'x', all.a, 45);
    await settle();
    expect([all.bindings.find('x'), await all.inner.inspect('x')]).toMatchObject([second, { host: 'a:1' }]);
  });

  it('is told by forget whether it was forgotten, and stays in the store', async () => {
    const all = known();
    const first = await bound(all, 'x', all.a, 45);
    for (const session of [first, first, undefined]) expect(all.bindings.forget('x', 'ended', session)).toBe(true);
    all.hosts.report(all.a, 'silent');
    await bound(all, 'x', all.b, 45);
    expect([all.bindings.forget('x', 'ended', first), sessionsOf(all)]).toEqual([false, [0, 1]]);
    expect(await all.inner.inspect('x')).toMatchObject({ host: 'b:1' });
  });

  it('may let its host be drained', async () => {
    const all = known();
    const drained: string[] = [];
    all.hosts.on('drained', ({ name }) => drained.push(name));
    const binding = await bound(all, 'x', all.a, 45);
    all.hosts.drain('a:1');
    for (let i = 0; i < 2; i += 1) all.bindings.discount(binding);
    await settle();
    expect([sessionsOf(all), drained]).toEqual([[0, 0], ['a:1']]);
    // Until it is used again.
    void all.bindings.find('x');
    expect(sessionsOf(all)).toEqual([1, 0]);
  });
});

describe('a session whose WebSocket has ended', () => {
  async function faded(all: Known, prepare: (binding: Binding) => void = () => {}): Promise<Binding> {
    all.bindings.start();
    const binding = await bound(all, 'x', all.a, 45);
    await clock.advance(10_000);
    prepare(binding);
    all.bindings.fade(binding);
    return binding;
  }

  it('soon counts no longer, and is not removed from the store', async () => {
    const all = known();
    await faded(all);
    await clock.advance(2000);
    expect(sessionsOf(all)).toEqual([1, 0]);
    await clock.advance(7000);
    expect([sessionsOf(all), all.bindings.absence('x'), await all.inner.inspect('x')]).toMatchObject([[0, 0], 'expired', { host: 'a:1' }]);
  });

  it('goes on where it is used in time', async () => {
    const all = known();
    const binding = await faded(all);
    await clock.advance(2900);
    expect(all.bindings.find('x')).toBe(binding);
    await clock.advance(50_000);
    expect([sessionsOf(all), all.bindings.find('x')]).toEqual([[1, 0], binding]);
  });

  it.each<[what: string, prepare: (binding: Binding, all: Known) => void]>([
    ['is held by another', (binding, all) => held(all, binding)],
    ['was not stored', (binding) => binding.storedAt = NEVER],
    ['could not be looked up', (_, { fail }) => fail()],
  ])('goes on where it %s', async (_, prepare) => {
    const all = known();
    const binding = await faded(all, (made) => prepare(made, all));
    await clock.advance(20_000);
    expect([sessionsOf(all), all.bindings.has(binding)]).toEqual([[1, 0], true]);
  });

  it('does not live longer for that', async () => {
    const all = known();
    let usedAt = NaN;
    const binding = await faded(all, (made) => usedAt = made.usedAt -= 59_000);
    expect(binding.usedAt).toBe(usedAt);
  });

  it('is not looked for again once it has left the cache', async () => {
    const all = known({ cacheSize: 1 });
    const binding = await bound(all, 'x', all.a, 45);
    await bound(all, 'y', all.b, 45);
    all.bindings.fade(binding);
    expect([binding.place, all.bindings.cached('x')]).toEqual([-1, undefined]);
  });
});

it('closes the store once the removals in progress are done, and renews nothing after that', async () => {
  const all = known();
  all.bindings.start();
  const binding = await bound(all, 'x', all.a, 45);
  await bound(all, 'y', all.a, 45);
  held(all, binding);
  all.bindings.unbind('y', all.a);
  await all.bindings.close();
  expect(all.asked.slice(2)).toEqual(['release y a:1 9007199254740991', 'close']);
  await clock.advance(100_000);
  expect(all.asked).toHaveLength(4);
});
