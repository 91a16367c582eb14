import { once } from 'node:events';
import type { SessionStore } from '../../src';
import { failureKind, Outage, type FailureKind } from '../../src/sessions/outage';
import { StoreError } from '../../src/sessions/store-calls';
import { StoreGuard } from '../../src/sessions/store-guard';
import { onCleanup } from '../support/cleanup';
import { stopClock } from '../support/clock';

it.each<[FailureKind, Error]>([
  ['timeout', new StoreError('the session store did not answer within 1000 ms')],
  ...[
    'Socket closed unexpectedly', 'connect ECONNREFUSED 127.0.0.1:6379', 'read ECONNRESET', 'Connection timeout',
    'getaddrinfo ENOTFOUND redis.example', 'Connection is closed.', 'The client is closed', 'Command timed out',
    'Redis connection to 127.0.0.1:6379 failed - connect ECONNREFUSED 127.0.0.1:6379', 'Socket timeout timeout',
    'Client network socket disconnected before secure TLS connection was established', '',
  ].map((text): [FailureKind, Error] => ['lost', new Error(text)]),
  ...[
    'WRONGPASS invalid username-password pair or user is disabled.', 'NOAUTH Authentication required.', 'ERR invalid password',
    "NOPERM User proxy has no permissions to run the 'get' command", 'Ready check failed: NOAUTH Authentication required.',
    'obseve client error: SimpleError: WRONGPASS invalid username-password pair',
    'ERR AUTH <password> called without any password configured for the default user.',
  ].map((text): [FailureKind, Error] => ['credentials', new Error(text)]),
  ...[
    "READONLY You can't write against a read only replica.", 'MASTERDOWN Link with MASTER is down',
  ].map((text): [FailureKind, Error] => ['elsewhere', new Error(text)]),
  ...[
    'self-signed certificate', "Hostname/IP does not match certificate's altnames: IP: 127.0.0.1 is not in the cert's list: ",
    'error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required',
  ].map((text): [FailureKind, Error] => ['certificate', new Error(text)]),
  ...[
    'LOADING Redis is loading the dataset in memory', 'OOM command not allowed', "ERR unknown command 'GET'",
    'this Redis is one node of a cluster, and needs a cluster client (Cluster of ioredis): MOVED 1 127.0.0.1:1',
  ].map((text): [FailureKind, Error] => ['answer', new Error(text)]),
])('takes a failure for %s: %s', (kind, error) => {
  expect(failureKind(error)).toBe(kind);
});

it('has news by its first failure, and then by the first one of each kind that tells more', () => {
  const outage = new Outage();
  const news = (): boolean[] => (['lost', 'timeout', 'lost', 'credentials', 'credentials', 'elsewhere'] as const)
    .map((kind) => outage.isNews(kind));
  expect(news()).toEqual([true, false, false, true, false, true]);
  outage.end();
  expect(news()).toEqual([true, false, false, true, false, true]);
});

interface Guarded {
  guard: StoreGuard;
  /** What it has told, in order. */
  told: string[];
  fail: (error: Error) => void;
}

function guarding(answers: Partial<SessionStore>): Guarded {
  const nothing = (): Promise<undefined> => Promise.resolve(undefined);
  let fail: Guarded['fail'] = () => {};
  const guard = new StoreGuard({ bind: nothing, find: nothing, unbind: nothing, watch: (failed) => fail = failed, ...answers }, 100);
  const told: string[] = [];
  guard.on('degraded', ({ message }) => told.push(message)).on('recovered', () => told.push('recovered'));
  onCleanup(() => guard.close());
  return { guard, told, fail: (error) => fail(error) };
}

it('is told again of a store that was lost, once it says why it fails', async () => {
  const clock = stopClock();
  let answer = (): Promise<undefined> => new Promise(() => {});
  const { guard, told, fail } = guarding({ bind: () => answer(), find: () => answer() });
  guard.start();
  for (const message of ['Socket closed unexpectedly', 'connect ECONNREFUSED', 'self-signed certificate', 'self-signed certificate']) {
    fail(new Error(message));
  }
  expect(told.splice(0)).toEqual(['Socket closed unexpectedly', 'self-signed certificate']);
  // What only the guard's own calls are answered with.
  answer = () => Promise.reject(new Error('LOADING Redis is loading'));
  await clock.advanceUntil('it is told', () => told.length > 0, 100);
  answer = () => Promise.resolve(undefined);
  await clock.advanceUntil('it works', () => told.length > 1, 100);
  expect(told.splice(0)).toEqual(['LOADING Redis is loading', 'recovered']);
  fail(new Error('self-signed certificate'));
  expect(told).toEqual(['self-signed certificate']);
});

it('is told by what the store answers, and not by the time that a call has taken before', async () => {
  const never = (): Promise<never> => new Promise(() => {});
  let calls = 0;
  const { guard } = guarding({
    find: () => (calls++ === 0 ? never() : Promise.reject(new Error('NOAUTH Authentication required.'))),
    bind: () => Promise.reject(new Error('NOAUTH Authentication required.')),
  });
  const degraded = once(guard, 'degraded');
  guard.start();
  await expect(guard.find('a', 60)).rejects.toThrow('did not answer within');
  expect(await degraded).toEqual([new Error('NOAUTH Authentication required.')]);
});

it('is told why a store could not be opened again', async () => {
  const clock = stopClock();
  let reason = 'connect ECONNREFUSED';
  const { guard, told } = guarding({ open: () => Promise.reject(new Error(reason)) });
  guard.start();
  await clock.advanceUntil('it has failed', () => told.length > 0, 100);
  reason = 'WRONGPASS invalid username-password pair';
  await clock.advanceUntil('it is told', () => told.length > 1, 100);
  expect(told).toEqual(['connect ECONNREFUSED', reason]);
});
