import { once } from 'node:events';
import { StoreGuard } from '../../src/store-guard';
import { onCleanup } from '../support/cleanup';
import { stopClock } from '../support/clock';
import { handshake } from '../support/http';
import { before, startSessionHost } from '../support/session-host';
import { until } from '../support/until';

/** A store that never ends what it is asked while it is told so, and what it was asked then. */
function losing(): { guard: StoreGuard; lost: string[]; serve: () => void } {
  const lost: string[] = [];
  let serves = false;
  const lose = (sid: string): Promise<undefined> => {
    if (serves) return Promise.resolve(undefined);
    lost.push(sid);
    return new Promise<never>(() => {});
  };
  const guard = new StoreGuard({ bind: lose, find: lose, unbind: lose }, 50);
  onCleanup(() => guard.close());
  guard.start();
  return { guard, lost, serve: () => serves = true };
}

/** Those of the guard's own. */
const probesOf = (sids: string[]): string[] => sids.filter((sid) => sid.startsWith('probe-'));

it('asks a store no more that has lost 10000 calls, but for its own sids, and again once it answers these', async () => {
  const { guard, lost, serve } = losing();
  const degraded = once(guard, 'degraded');
  const bound = Array.from({ length: 10_000 }, (_, i) => guard.bind(`sid-${i}`, 'host:1', 10));
  expect(new Set(await Promise.all(bound))).toEqual(new Set([false]));
  await degraded;
  expect(await guard.bind('one more', 'host:1', 10)).toBe(false);
  expect(lost.length - probesOf(lost).length).toBe(10_000);
  const recovered = once(guard, 'recovered');
  // What it has lost it never answers: it is asked for one more sid each 10 s.
  serve();
  await recovered;
  await until('it is asked again', () => guard.bind('one more', 'host:1', 10));
}, 30_000);

it('asks a store that has lost its calls for no more than a sid of its own in 10 seconds', async () => {
  const clock = stopClock();
  const { guard, lost, serve } = losing();
  const found = expect(guard.find('a', 10)).rejects.toThrow('did not answer');
  await clock.advance(1000);
  await found;
  expect(guard.degraded).toBe(true);
  const first = lost.length;
  for (let i = 0; i < 60; i += 1) await clock.advance(1000);
  // To bind and to find it.
  expect(lost.length - first).toBeGreaterThan(2);
  expect(lost.length - first).toBeLessThanOrEqual(2 * 6);
  serve();
  for (let i = 0; i < 12; i += 1) await clock.advance(1000);
  expect(guard.degraded).toBe(false);
});

it('opens a store again that could not be opened', async () => {
  const opened: string[] = [];
  const guard = new StoreGuard({
    open: () => {
      opened.push(opened.length < 2 ? 'failed' : 'opened');
      return opened.at(-1) === 'failed' ? Promise.reject(new Error('not yet')) : Promise.resolve();
    },
    bind: () => opened.at(-1) === 'opened' ? Promise.resolve() : Promise.reject(new Error('not open')),
    find: () => Promise.resolve(undefined),
    unbind: () => Promise.resolve(),
  }, 50);
  onCleanup(() => guard.close());
  const degraded = once(guard, 'degraded');
  const recovered = once(guard, 'recovered');
  guard.start();
  expect((await degraded)[0]).toEqual(new Error('not yet'));
  await recovered;
  expect(opened).toEqual(['failed', 'failed', 'opened']);
});

it('stores bindings once more where the store fails and is back while they are being stored', async () => {
  const stored = new Map<string, string>();
  let ready = (): void => {};
  let find = (sid: string): Promise<string | undefined> => Promise.resolve(stored.get(sid));
  const store = {
    watch: (_: unknown, isReady: () => void) => {
      ready = isReady;
    },
    bind: (sid: string, host: string) => {
      if (host !== '') stored.set(sid, host);
      return Promise.resolve();
    },
    find: (sid: string) => find(sid),
    unbind: () => Promise.resolve(),
  };
  const { url } = await before([await startSessionHost()], { store, storeTimeout: 20_000 });
  const sids = [await handshake(url), await handshake(url)];
  stored.clear();
  // One look-up fails; the other is still waiting for its answer when the store is ready once more.
  let answer = (): void => {};
  let isAsked = (): void => {};
  const waiting = new Promise<undefined>((resolve) => (answer = () => resolve(undefined)));
  const asked = new Promise<void>((resolve) => (isAsked = resolve));
  find = (sid) => {
    if (sid === sids[1]) isAsked();
    return sid === sids[1] ? waiting : Promise.reject(new Error('a node is down'));
  };
  ready();
  await asked;
  ready();
  find = (sid) => Promise.resolve(stored.get(sid));
  answer();
  await until('both are stored', () => stored.size === 2);
});
