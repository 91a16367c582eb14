import { LateCalls } from '../../src/sessions/late-calls';
import { StoreGuard } from '../../src/sessions/store-guard';
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

const never = (): Promise<never> => new Promise(() => {});

it('leaves 10000 calls of a store unanswered and no more, until some are answered or all forgiven', () => {
  const late = new LateCalls({ bind: never, find: never, unbind: never });
  for (let i = 0; i < 9999; i += 1) late.add(`sid-${i}`, never());
  expect(late.refusal('one more')).toBeUndefined();
  late.add('last', never());
  expect(late.refusal('one more')).toBe('the session store has 10000 calls left to answer');
  late.forgive(true);
  expect(late.refusal('one more')).toBeUndefined();
});

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
