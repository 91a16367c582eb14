import { once } from 'node:events';
import type { SessionStore } from '../src';
import { StoreGuard } from '../src/store-guard';
import { onCleanup } from './support/cleanup';

const never = (): Promise<never> => new Promise(() => {});

/** A guard of a store that answers as it is told, and else as one that holds nothing; and what it was asked, in order. */
function guarding(answers: Partial<SessionStore>, timeout = 50): { guard: StoreGuard; asked: string[] } {
  const asked: string[] = [];
  const store: SessionStore = {
    ...answers,
    bind: async (sid, ...rest) => {
      asked.push(`bind ${sid}`);
      await answers.bind?.(sid, ...rest);
    },
    find: async (sid, ttl) => {
      asked.push(`find ${sid}`);
      return answers.find?.(sid, ttl);
    },
    unbind: async (sid) => {
      asked.push(`unbind ${sid}`);
      await answers.unbind?.(sid);
    },
  };
  const guard = new StoreGuard(store, timeout);
  onCleanup(() => guard.close());
  return { guard, asked };
}

const failing = (): Promise<never> => Promise.reject(new Error('READONLY'));

it('is not asked to find or inspect again while it is known not to answer', async () => {
  const { guard, asked } = guarding({ find: never, bind: never });
  await expect(guard.find('a', 60)).rejects.toThrow('did not answer within 40 ms');
  await expect(guard.find('b', 60)).rejects.toThrow('does not answer');
  await expect(guard.inspect('b')).rejects.toThrow('does not answer');
  expect(asked).toEqual(['find a']);
});

it('is not asked to find again after an error of its connection', async () => {
  let fail: (error: Error) => void = () => {};
  const { guard, asked } = guarding({ watch: (failed) => fail = failed });
  await expect(guard.find('a', 60)).resolves.toBeUndefined();
  fail(new Error('ECONNRESET'));
  await expect(guard.find('b', 60)).rejects.toThrow('does not answer');
  expect(asked).toEqual(['find a']);
});

it('is asked to find at once after it has refused to bind, but not after it has left that unanswered', async () => {
  const refusing = guarding({ bind: failing });
  expect(await refusing.guard.bind('a', 'host', 60)).toBe(false);
  await expect(refusing.guard.find('b', 60)).resolves.toBeUndefined();
  const silent = guarding({ bind: never });
  expect(await silent.guard.bind('a', 'host', 60)).toBe(false);
  await expect(silent.guard.find('b', 60)).rejects.toThrow('does not answer');
});

it('is asked for no change while it is degraded', async () => {
  const { guard, asked } = guarding({ bind: failing });
  await guard.bind('a', 'host', 60);
  expect(guard.degraded).toBe(true);
  await guard.bind('b', 'host', 60);
  await guard.unbind('a');
  expect(asked).toEqual(['bind a']);
});

it('is opened again after that has failed', async () => {
  let opened = 0;
  const { guard } = guarding({
    open: () => (++opened === 1 ? failing() : Promise.resolve()),
    bind: () => (opened > 1 ? Promise.resolve() : failing()),
  });
  const recovered = once(guard, 'recovered');
  guard.start();
  await recovered;
  expect(opened).toBe(2);
});

it('is opened once, however long it takes to answer after that', async () => {
  let opened = 0;
  let asked = 0;
  const { guard } = guarding({
    open: () => Promise.resolve(void (opened += 1)),
    bind: () => (++asked < 3 ? failing() : Promise.resolve()),
  });
  const recovered = once(guard, 'recovered');
  guard.start();
  await guard.bind('a', 'host', 60);
  await recovered;
  expect(opened).toBe(1);
});

it('has not failed when what it was asked fails after it is closed', async () => {
  let fail: (error: Error) => void = () => {};
  const { guard } = guarding({ find: () => new Promise((_, reject) => fail = reject) }, 5000);
  const events: string[] = [];
  guard.on('degraded', () => events.push('degraded'));
  const found = guard.find('a', 60);
  await guard.close();
  fail(new Error('closed'));
  await expect(found).rejects.toThrow('closed');
  expect([events, guard.degraded]).toEqual([[], false]);
});
