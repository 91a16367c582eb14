import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { StoreGuard } from '../../src/store-guard';
import { onCleanup } from '../support/cleanup';
import { handshake } from '../support/http';
import { before, startSessionHost } from '../support/session-host';
import { until } from '../support/until';

it('asks a store no more that has left 10000 calls without an answer, until it answers one', async () => {
  const waiting: (() => void)[] = [];
  let answers = false;
  const guard = new StoreGuard({
    bind: () => answers ? Promise.resolve() : new Promise<void>((resolve) => waiting.push(resolve)),
    find: () => Promise.resolve(undefined),
    unbind: () => Promise.resolve(),
  }, 50);
  onCleanup(() => guard.close());
  guard.start();
  const degraded = once(guard, 'degraded');
  const bound = Array.from({ length: 10_000 }, (_, i) => guard.bind(`sid-${i}`, 'host:1', 10));
  expect(new Set(await Promise.all(bound))).toEqual(new Set([false]));
  await degraded;
  // It tries again half a second after each failure.
  await sleep(1500);
  expect(waiting).toHaveLength(10_000);
  answers = true;
  const recovered = once(guard, 'recovered');
  waiting.pop()?.();
  await recovered;
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
      if (sid !== '') stored.set(sid, host);
      return Promise.resolve();
    },
    find: (sid: string) => find(sid),
    unbind: () => Promise.resolve(),
  };
  const { proxy, url } = await before([await startSessionHost()], { store, storeTimeout: 20_000 });
  const sids = [await handshake(url), await handshake(url)];
  stored.clear();
  // One look-up fails; the other is still waiting for its answer when the store is back.
  let answer = (): void => {};
  const waiting = new Promise<undefined>((resolve) => (answer = () => resolve(undefined)));
  find = (sid) => sid === sids[0] ? Promise.reject(new Error('a node is down')) : waiting;
  const recovered = once(proxy, 'recovered');
  ready();
  await recovered;
  find = (sid) => Promise.resolve(stored.get(sid));
  answer();
  await until('both are stored', () => stored.size === 2);
});
