import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { StoreGuard } from '../../src/store-guard';
import { onCleanup } from '../support/cleanup';

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
