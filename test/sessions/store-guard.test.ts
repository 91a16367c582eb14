import { once } from 'node:events';
import type { SessionStore } from '../../src';
import { StoreGuard } from '../../src/sessions/store-guard';
import { onCleanup } from '../support/cleanup';
import { settle, standStill, stopClock } from '../support/clock';
import { until } from '../support/until';

const never = (): Promise<never> => new Promise(() => {});

interface Guarding {
  guard: StoreGuard;
  /** What the store was asked, in order, but for the guard's own sids. */
  asked: string[];
  /** The guard's own sids. */
  own: Set<string>;
  /** What the guard has told. */
  events: string[];
}

/** A guard of a store that answers as it is told, and else as one that holds nothing. */
function guarding(answers: Partial<SessionStore>, timeout = 50): Guarding {
  const asked: string[] = [];
  const own = new Set<string>();
  const note = (call: string, sid: string): void => {
    if (sid.startsWith('probe-')) own.add(sid);
    else asked.push(`${call} ${sid}`);
  };
  const store: SessionStore = {
    ...answers,
    bind: async (sid, ...rest) => {
      note('bind', sid);
      await answers.bind?.(sid, ...rest);
    },
    claim: async (sid, host, ttl) => {
      note('claim', sid);
      await answers.bind?.(sid, host, ttl);
      return host;
    },
    find: async (sid, ttl) => {
      note('find', sid);
      return answers.find?.(sid, ttl);
    },
    unbind: async (sid) => {
      note('unbind', sid);
      await answers.unbind?.(sid);
    },
    release: async (sid, ...rest) => {
      note('release', sid);
      await answers.release?.(sid, ...rest);
    },
  };
  const guard = new StoreGuard(store, timeout);
  const events: string[] = [];
  for (const event of ['degraded', 'recovered', 'ready', 'writable'] as const) guard.on(event, () => events.push(event));
  onCleanup(() => guard.close());
  return { guard, asked, own, events };
}

const failing = (): Promise<never> => Promise.reject(new Error('READONLY'));
/** Serves all sids but those that begin so. */
const failingFor = (start: string) => (sid: string): Promise<undefined> =>
  sid.startsWith(start) ? Promise.reject(new Error('CLUSTERDOWN')) : Promise.resolve(undefined);

it('is not asked to find or inspect again while it is known not to answer', async () => {
  const { guard, asked } = guarding({ find: never, bind: never });
  const degraded = once(guard, 'degraded');
  guard.start();
  await expect(guard.find('a', 60)).rejects.toThrow('did not answer within 40 ms');
  await degraded;
  await expect(guard.find('b', 60)).rejects.toThrow('does not answer');
  await expect(guard.inspect('b')).rejects.toThrow('does not answer');
  expect(asked).toEqual(['find a']);
});

it('lets nothing wait any longer as soon as it is known not to answer', async () => {
  const clock = stopClock();
  const { guard, events } = guarding({ find: never, bind: never }, 400);
  guard.start();
  const failed = expect(guard.find('a', 60)).rejects.toThrow('did not answer within 320 ms');
  await clock.advance(320);
  await failed;
  await clock.advance(200);
  const bound = guard.claim('b', 'host', 60);
  const found = expect(guard.find('c', 60)).rejects.toThrow(/^the session store does not answer$/);
  // It is known 400 ms after it was doubted; alone, they would wait for longer.
  await clock.advance(200);
  await found;
  expect([await bound, events]).toEqual([undefined, ['degraded']]);
});

it('does not take a standstill of its own process for silence', async () => {
  let answer = (): void => {};
  const { guard, events } = guarding({ find: () => new Promise((resolve) => answer = () => resolve('host')) }, 100);
  const found = guard.find('a', 60);
  standStill(200);
  // What has come meanwhile is read after the timers that are due, which come between two of these.
  setImmediate(() => setImmediate(() => answer()));
  expect(await found).toBe('host');
  expect(events).toEqual([]);
});

it('tells of an error of its connection that comes before it starts, and recovers once it has started', async () => {
  let fail: (error: Error) => void = () => {};
  const { guard, events } = guarding({ watch: (failed) => fail = failed });
  fail(new Error('ECONNREFUSED'));
  expect(events).toEqual(['degraded']);
  const recovered = once(guard, 'recovered');
  guard.start();
  await recovered;
});

it('is asked to find again as soon as it answers that, though it binds nothing', async () => {
  const clock = stopClock();
  let find: SessionStore['find'] = never;
  const { guard, events } = guarding({ find: (...args) => find(...args), bind: failing });
  guard.start();
  const failed = expect(guard.find('a', 60)).rejects.toThrow('did not answer');
  await clock.advanceUntil('it has failed', () => guard.degraded);
  await failed;
  await expect(guard.find('a', 60)).rejects.toThrow('does not answer');
  find = () => Promise.resolve('host');
  await clock.advanceUntil('it is asked', () => guard.find('a', 60).then(() => true, () => false), 1000);
  expect([guard.degraded, events]).toEqual([true, ['degraded']]);
});

it('is not asked to find again after an error of its connection', async () => {
  let fail: (error: Error) => void = () => {};
  const { guard, asked } = guarding({ watch: (failed) => fail = failed });
  await expect(guard.find('a', 60)).resolves.toBeUndefined();
  fail(new Error('ECONNRESET'));
  await expect(guard.find('b', 60)).rejects.toThrow('does not answer');
  expect(asked).toEqual(['find a']);
});

it('is asked to find after it has refused to bind, but not after it has left that unanswered', async () => {
  const refusing = guarding({ bind: failing });
  refusing.guard.start();
  const refused = once(refusing.guard, 'degraded');
  expect(await refusing.guard.claim('a', 'host', 60)).toBeUndefined();
  await expect(refusing.guard.find('b', 60)).resolves.toBeUndefined();
  await refused;
  await expect(refusing.guard.find('c', 60)).resolves.toBeUndefined();
  const silent = guarding({ bind: never, find: never });
  silent.guard.start();
  const degraded = once(silent.guard, 'degraded');
  expect(await silent.guard.claim('a', 'host', 60)).toBeUndefined();
  await degraded;
  await expect(silent.guard.find('b', 60)).rejects.toThrow('does not answer');
});

it('is asked for no change while it is degraded', async () => {
  const { guard, asked } = guarding({ bind: failing });
  guard.start();
  const degraded = once(guard, 'degraded');
  await guard.claim('a', 'host', 60);
  await degraded;
  expect(guard.degraded).toBe(true);
  await guard.claim('b', 'host', 60);
  await guard.release('a', 'host', 60);
  expect(asked).toEqual(['claim a']);
});

it.each<[string, Partial<SessionStore>]>([
  ['find', { bind: failingFor('chosen'), find: failingFor('chosen') }],
  ['claim', { bind: failingFor('chosen') }],
  ['release', { release: failingFor('chosen') }],
])('has not failed when it fails to %s sids that somebody has chosen', async (call, answers) => {
  stopClock();
  const { guard, asked, own, events } = guarding(answers);
  guard.start();
  for (let i = 0; i < 100; i += 1) {
    if (call === 'find') await expect(guard.find(`chosen-${i}`, 60)).rejects.toThrow('CLUSTERDOWN');
    else if (call === 'claim') expect(await guard.claim(`chosen-${i}`, 'host', 60)).toBeUndefined();
    else await guard.release(`chosen-${i}`, 'host', 60);
    // Long enough to probe it between any two of them.
    if (i < 10) await settle();
  }
  await until('it was looked at', () => events.length > 0);
  await expect(guard.find('other', 60)).resolves.toBeUndefined();
  expect(await guard.claim('other', 'host', 60)).toBe('host');
  expect(asked).toHaveLength(102);
  expect(events).toEqual(['writable']);
  expect(own.size).toBe(16);
});

it('looks at itself with sids that nobody could know before', async () => {
  const { guard, own, events } = guarding({ bind: failingFor('chosen') });
  guard.start();
  await guard.claim('chosen', 'host', 60);
  await until('it was looked at', () => events.length === 1);
  const before = [...own];
  await until('it is done', async () => {
    await guard.claim('chosen', 'host', 60);
    return own.size > before.length;
  });
  await until('it was looked at once more', () => events.length > 1);
  expect(own.size % 16).toBe(0);
});

it('has not failed while a part of it serves, and may have lost what the other part held', async () => {
  let dead = true;
  const serves = (sid: string): Promise<undefined> =>
    dead && parseInt(sid.at(-1) ?? '', 16) % 2 > 0 ? Promise.reject(new Error('CLUSTERDOWN')) : Promise.resolve(undefined);
  // Of the hexadecimal digits in which the guard's sids end a half is served.
  const { guard, events, own } = guarding({ bind: serves, find: serves });
  guard.start();
  await expect(guard.find('x1', 60)).rejects.toThrow('CLUSTERDOWN');
  await until('it was looked at', () => own.size === 16);
  await expect(guard.find('x0', 60)).resolves.toBeUndefined();
  expect([guard.degraded, events]).toEqual([false, []]);
  dead = false;
  await until('it is whole', () => events.length > 0);
  expect(events).toEqual(['ready']);
});

it('is not taken to have failed by the errors of a client of many parts, unless all fail', async () => {
  let fail: (error: Error) => void = () => {};
  let answer = (): Promise<undefined> => Promise.resolve(undefined);
  const { guard, events } = guarding({
    watch: (failed) => fail = failed, partOf: () => 0, bind: () => answer(), find: () => answer(),
  });
  guard.start();
  fail(new Error('ECONNREFUSED'));
  await until('it was looked at', () => events.length > 0);
  expect(events).toEqual(['writable']);
  answer = failing;
  const degraded = once(guard, 'degraded');
  fail(new Error('ECONNREFUSED'));
  expect(await degraded).toEqual([new Error('READONLY')]);
});

it('asks a part no more that has left calls unanswered, until it answers one, and the other parts all the while', async () => {
  const waiting: (() => void)[] = [];
  const { guard, asked, events } = guarding({
    partOf: (sid) => sid.startsWith('chosen') ? 1 : 0,
    find: (sid) => sid.startsWith('chosen') ? new Promise((resolve) => waiting.push(() => resolve('host'))) : Promise.resolve('host'),
  });
  guard.start();
  for (let i = 0; i < 4; i += 1) await expect(guard.find(`chosen-${i}`, 60)).rejects.toThrow('within 40 ms');
  // The first look forgives what is unanswered, as the store may have lost it; the next does not for a minute.
  await until('it was looked at', () => events.length > 0);
  for (let i = 4; asked.length < i + 1 && i < 12; i += 1) await guard.find(`chosen-${i}`, 60).catch(() => {});
  for (let i = 0; i < 8; i += 1) await guard.find('chosen', 60).catch(() => {});
  const before = asked.length;
  await expect(guard.find('chosen', 60)).rejects.toThrow('the session store has 4 calls left to answer');
  await expect(guard.find('other', 60)).resolves.toBe('host');
  expect(asked.slice(before)).toEqual(['find other']);
  expect(waiting.length).toBeLessThanOrEqual(8);
  waiting.at(-1)?.();
  await until('the part is asked again', async () => {
    await guard.find('chosen', 60).catch(() => {});
    return asked.length > before + 1;
  });
});

it('is opened again after that has failed', async () => {
  const clock = stopClock();
  let opened = 0;
  const { guard, events } = guarding({
    open: () => (++opened < 3 ? Promise.reject(new Error('not yet')) : Promise.resolve()),
    bind: () => (opened > 2 ? Promise.resolve() : failing()),
  });
  const degraded = once(guard, 'degraded');
  guard.start();
  expect(await degraded).toEqual([new Error('not yet')]);
  await clock.advanceUntil('it works', () => events.includes('recovered'), 100);
  expect(opened).toBe(3);
});

it('is opened once, however long it takes to answer after that', async () => {
  let opened = 0;
  let asked = 0;
  const { guard } = guarding({
    open: () => Promise.resolve(void (opened += 1)),
    // In the first two looks.
    bind: () => (++asked < 30 ? failing() : Promise.resolve()),
  });
  const recovered = once(guard, 'recovered');
  guard.start();
  await guard.claim('a', 'host', 60);
  await recovered;
  expect(opened).toBe(1);
});

it('has not failed when what it was asked fails after it is closed', async () => {
  let fail: (error: Error) => void = () => {};
  const { guard, events } = guarding({ find: () => new Promise((_, reject) => fail = reject) }, 5000);
  const found = guard.find('a', 60);
  await guard.close();
  fail(new Error('closed'));
  await expect(found).rejects.toThrow('closed');
  expect([events, guard.degraded]).toEqual([[], false]);
});
