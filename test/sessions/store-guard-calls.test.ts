import type { SessionStore } from '../../src';
import { countOf } from '../../src/base/histogram';
import { createTotals, type Totals } from '../../src/base/totals';
import { StoreGuard } from '../../src/sessions/store-guard';
import { onCleanup } from '../support/cleanup';
import { settle, stopClock, type Clock } from '../support/clock';

const never = (): Promise<never> => new Promise(() => {});
const failing = (): Promise<never> => Promise.reject(new Error('READONLY'));

interface Guarded {
  guard: StoreGuard;
  totals: Totals['store'];
  /** What the store was asked for other sids than the guard's own, and for how many of these. */
  asked: string[];
  own: number;
  events: string[];
  fail: () => void;
  ready: () => void;
}

let clock: Clock;

beforeEach(() => {
  clock = stopClock();
});

/** A guard of a store that holds nothing, but for what it is told to do, and that tells of its connection. */
function guarded(answers: Partial<SessionStore>, timeout = 1000): Guarded {
  const nothing = (): Promise<undefined> => Promise.resolve(undefined);
  const watching: { failed?: (error: Error) => void; ready?: () => void } = {};
  const inner: SessionStore = { bind: nothing, find: nothing, unbind: nothing, ...answers };
  const note = (call: string, args: unknown[]): void => {
    if (String(args[0]).startsWith('probe-')) found.own += 1;
    else found.asked.push([call, ...args].join(' '));
  };
  const store: SessionStore = { ...inner, watch: (failed, ready) => void Object.assign(watching, { failed, ready }) };
  for (const call of ['bind', 'find', 'unbind', 'claim', 'release', 'inspect', 'open', 'close'] as const) {
    if (!inner[call]) continue;
    Object.assign(store, {
      [call]: (...args: unknown[]) => {
        note(call, args);
        return (Reflect.get(inner, call) as (...given: unknown[]) => unknown)(...args);
      },
    });
  }
  const totals = createTotals().store;
  const guard = new StoreGuard(store, timeout, totals);
  const found: Guarded = {
    guard, totals, asked: [], own: 0, events: [], fail: () => watching.failed?.(new Error('lost')), ready: () => watching.ready?.(),
  };
  guard.on('degraded', ({ message }) => found.events.push(`degraded: ${message}`));
  for (const event of ['recovered', 'ready', 'writable'] as const) guard.on(event, () => found.events.push(event));
  onCleanup(() => {
    delete store.close;
    return guard.close();
  });
  return found;
}

describe('inspect', () => {
  it('tells what the store tells, which renews nothing', async () => {
    const { guard, asked } = guarded({ inspect: (sid) => Promise.resolve(sid === 'x' ? { host: 'a:1', expiresIn: 5 } : undefined) });
    expect([await guard.inspect('x'), await guard.inspect('y')]).toEqual([{ host: 'a:1', expiresIn: 5 }, undefined]);
    expect(asked).toEqual(['inspect x', 'inspect y']);
  });

  it('looks the sid up for a second where the store cannot', async () => {
    const { guard, asked } = guarded({ find: (sid) => Promise.resolve(sid === 'x' ? 'a:1' : undefined) });
    expect([await guard.inspect('x'), await guard.inspect('y')]).toEqual([{ host: 'a:1', expiresIn: undefined }, undefined]);
    expect(asked).toEqual(['find x 1', 'find y 1']);
  });
});

describe('claim', () => {
  it.each<[what: string, answers: Partial<SessionStore>, calls: string[], host: string]>([
    ['in one step where the store can', { claim: () => Promise.resolve('b:1') }, ['claim x a:1 60'], 'b:1'],
    ['by find and bind else', {}, ['find x 60', 'bind x a:1 60'], 'a:1'],
    ['by find alone where it is bound', { find: () => Promise.resolve('b:1') }, ['find x 60'], 'b:1'],
  ])('tells the host %s', async (_, answers, calls, host) => {
    const { guard, asked } = guarded(answers);
    expect([await guard.claim('x', 'a:1', 60), asked]).toEqual([host, calls]);
  });

  it('tells that it has failed', async () => {
    expect(await guarded({ claim: failing }).guard.claim('x', 'a:1', 60)).toBeUndefined();
  });
});

it('binds nothing while the store fails, and tells so', async () => {
  const { guard, asked, fail } = guarded({});
  fail();
  await guard.release('x', 'a:1', 60);
  expect(await guard.claim('x', 'a:1', 60)).toBeUndefined();
  expect(asked).toEqual([]);
});

it('rejects by an error of its own, and leaves no timer', async () => {
  const { guard } = guarded({ find: (sid) => sid === 'x' ? never() : Promise.resolve('a:1') });
  expect(await guard.find('y', 60)).toBe('a:1');
  expect(jest.getTimerCount()).toBe(0);
  const message = 'the session store did not answer within 800 ms';
  const found = expect(guard.find('x', 60)).rejects.toMatchObject({ name: 'StoreError', message });
  await clock.advance(800);
  await found;
});

it('counts calls, how long they take, and failures', async () => {
  let answer = (): void => {};
  const find = (): Promise<undefined> => new Promise((resolve) => answer = () => resolve(undefined));
  const { guard, totals, fail } = guarded({
    find, release: failing, inspect: () => Promise.resolve(undefined), claim: () => Promise.resolve('a:1'),
  });
  const found = guard.find('x', 60);
  await clock.advance(300);
  answer();
  await found;
  await guard.inspect('x');
  await guard.claim('x', 'a:1', 60);
  await guard.claim('x', 'a:1', 60);
  await guard.release('x', 'a:1', 60);
  expect([totals.find, totals.bind, totals.unbind].map(countOf)).toEqual([1, 2, 1]);
  expect([totals.find.sum, totals.bind.sum, totals.failures]).toEqual([0.3, 0, 1]);
  fail();
  expect(totals.failures).toBe(2);
});

describe('a store whose connection', () => {
  it('is made is ready', () => {
    const { events, ready } = guarded({});
    ready();
    expect(events).toEqual(['ready']);
  });

  it('is lost is asked for nothing before the guard starts, nor for half a second after, unless it is back before', async () => {
    const all = guarded({});
    all.fail();
    await clock.advance(10_000);
    expect([all.own, all.events]).toEqual([0, ['degraded: lost']]);
    all.guard.start();
    await settle();
    all.fail();
    await clock.advance(400);
    const before = all.own;
    all.fail();
    all.ready();
    await settle();
    const cycle = ['degraded: lost', 'recovered', 'ready'];
    expect([all.own > before, all.guard.degraded, all.events]).toEqual([true, false, [...cycle, ...cycle]]);
    all.fail();
    const { own } = all;
    await clock.advance(499);
    expect(all.own).toBe(own);
    await clock.advance(1);
    expect(all.own).toBeGreaterThan(own);
  });
});

it('answers what waits for reads while the store only takes no writes', async () => {
  let answer = (): void => {};
  const find = (sid: string): Promise<string | undefined> =>
    sid === 'x' ? new Promise((resolve) => answer = () => resolve('a:1')) : Promise.resolve(undefined);
  const { guard, events } = guarded({ bind: failing, find });
  guard.start();
  const found = guard.find('x', 60);
  expect(await guard.claim('y', 'a:1', 60)).toBeUndefined();
  await settle();
  expect(events).toEqual(['degraded: READONLY']);
  answer();
  expect(await found).toBe('a:1');
});

it('has failed where it can read nothing, though it binds', async () => {
  const { guard, events } = guarded({ find: failing });
  guard.start();
  await expect(guard.find('x', 60)).rejects.toThrow('READONLY');
  await settle();
  expect([events, guard.degraded]).toEqual([['degraded: READONLY'], true]);
  await expect(guard.find('x', 60)).rejects.toThrow('does not answer');
});

it('is asked for nothing before it was opened', async () => {
  let opens = false;
  const all = guarded({ open: () => opens ? Promise.resolve() : failing() });
  all.guard.start();
  await clock.advance(5000);
  expect([all.own, new Set(all.asked), all.events]).toEqual([0, new Set(['open']), ['degraded: READONLY']]);
  opens = true;
  await clock.advance(500);
  expect([all.own, all.events.slice(1)]).toEqual([32, ['recovered', 'ready']]);
});

it('is forgiven what it has left unanswered each time when it is back', async () => {
  let serves = true;
  const { guard } = guarded({
    bind: () => serves ? Promise.resolve() : failing(),
    find: (sid) => sid.startsWith('x') ? never() : Promise.resolve('a:1'),
    partOf: (sid) => sid.charCodeAt(0),
  });
  guard.start();
  for (let times = 0; times < 3; times += 1) {
    const found = Promise.allSettled(['x1', 'x2', 'x3', 'x4'].map((sid) => guard.find(sid, 60)));
    await clock.advance(800);
    await found;
    serves = false;
    await guard.claim('y', 'a:1', 60);
    await clock.advance(1000);
    expect(guard.degraded).toBe(true);
    serves = true;
    await clock.advance(1000);
    expect(guard.degraded).toBe(false);
  }
  // Else it would be refused at once.
  const found = expect(guard.find('x', 60)).rejects.toThrow('did not answer within 800 ms');
  await clock.advance(800);
  await found;
});

it('is looked at until it is whole where a part of it is back, and has failed when that fails too', async () => {
  let serves: 'none' | 'half' | 'all' = 'none';
  const answer = (sid: string): Promise<undefined> => {
    const isServed = serves === 'all' || (serves === 'half' && parseInt(sid.at(-1) ?? '', 16) % 2 === 0);
    return isServed ? Promise.resolve(undefined) : failing();
  };
  const all = guarded({ bind: answer, find: answer });
  all.guard.start();
  all.fail();
  serves = 'half';
  await clock.advance(1000);
  expect(all.events).toEqual(['degraded: lost', 'recovered', 'ready']);
  const { own } = all;
  await clock.advance(1000);
  expect(all.own).toBeGreaterThan(own);
  serves = 'none';
  await clock.advance(1000);
  expect(all.events.slice(3)).toEqual(['degraded: READONLY']);
  serves = 'half';
  await clock.advance(1000);
  serves = 'all';
  await clock.advance(1000);
  expect(all.events.slice(4)).toEqual(['recovered', 'ready', 'ready']);
  const whole = all.own;
  await clock.advance(10_000);
  expect([all.own, all.events.length]).toEqual([whole, 7]);
});

describe('close', () => {
  it('closes the store, and resolves once that is done', async () => {
    let closed = (): void => {};
    const { guard, asked } = guarded({ close: () => new Promise((resolve) => closed = resolve) });
    const order: string[] = [];
    const closing = guard.close().then(() => order.push('closed'));
    await settle();
    order.push('store');
    closed();
    await closing;
    expect([asked, order]).toEqual([['close'], ['store', 'closed']]);
  });

  it.each<[what: string, close: () => Promise<void>]>([['does not end', never], ['fails', failing]])(
    'resolves in the end where that %s', async (_, close) => {
      const { guard } = guarded({ close });
      const closing = guard.close();
      await clock.advance(1000);
      await closing;
    },
  );

  it('ends the look at the store, of whose failure nothing is told any more', async () => {
    let answer = (): void => {};
    const asked = new Promise<undefined>((resolve) => answer = () => resolve(undefined));
    const all = guarded({ bind: (sid) => sid === 'x' ? failing() : asked.then(() => {}) });
    all.guard.start();
    await all.guard.claim('x', 'a:1', 60);
    await all.guard.close();
    answer();
    all.fail();
    await settle();
    const { own } = all;
    await clock.advance(10_000);
    expect([all.events, all.guard.degraded, all.own]).toEqual([[], false, own]);
  });
});
