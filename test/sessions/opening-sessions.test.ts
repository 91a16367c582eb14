import { once } from 'node:events';
import type Proxy from '../../src';
import { MemoryStore } from '../../src';
import { stopClock, type Clock } from '../support/clock';
import { handshake, pollUrl, request } from '../support/http';
import type { ProxyInstance } from '../support/proxy';
import { before, countsOf, startSessionHost, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

const HOUR = 3_600_000;

let clock: Clock;
let host: SessionHost;
let proxy: ProxyInstance;
let url: string;
/** Let the store bind what it was asked to, in this order. */
let binds: (() => void)[];

beforeEach(() => {
  clock = stopClock();
});

/** Before a store that keeps all that is to be bound waiting. */
async function beforeSlowStore(options: Proxy.PartialProxyOptions = {}): Promise<void> {
  host = await startSessionHost();
  binds = [];
  const memory = new MemoryStore();
  const store = Object.assign(Object.create(memory) as MemoryStore, {
    bind: (sid: string, name: string, ttl: number) =>
      new Promise<void>((resolve) => binds.push(() => void memory.bind(sid, name, ttl).then(resolve))),
    find: memory.find.bind(memory),
    unbind: memory.unbind.bind(memory),
    claim: undefined,
    release: undefined,
    inspect: undefined,
  });
  ({ proxy, url } = await before([host], { checkInterval: HOUR, storeTimeout: HOUR, store, ...options }));
}

/** What the host, or the proxy, answers to a packet. */
const post = async (sid: string): Promise<number> => (await request(pollUrl(url, sid), { method: 'POST', body: '2' })).status;

async function waiting(count: number): Promise<Promise<string>[]> {
  const handshakes = Array.from({ length: count }, () => handshake(url));
  await until('they wait for the store', () => binds.length === count);
  return handshakes;
}

it('moves no session before its handshake is answered, and counts each once', async () => {
  await beforeSlowStore();
  const [opening] = await waiting(1) as [Promise<string>];
  const drained = once(proxy, 'drained');
  proxy.drainHost(host.name, { deadline: 0 });
  await clock.advance(5000);
  expect(countsOf(proxy)).toEqual([[0, 0, 1]]);
  binds[0]?.();
  const sid = await opening;
  expect(await post(sid)).toBe(200);
  await clock.advanceUntil('it is moved', () => proxy.hosts[0]?.sessions !== 1);
  expect(await drained).toEqual([host.name]);
  expect([countsOf(proxy), await post(sid)]).toEqual([[[0, 0, 0]], 400]);
});

it('counts once what has left the cache before its handshake is answered', async () => {
  await beforeSlowStore({ cacheSize: 1 });
  const handshakes = await waiting(3);
  for (const bind of binds.splice(0)) bind();
  await Promise.all(handshakes);
  await until('they are over', () => proxy.hosts[0]?.requests === 0);
  expect(countsOf(proxy)).toEqual([[1, 0, 0]]);
});

it.each<[string, () => unknown, number, string]>([
  ['the drain timeout', () => void proxy.close(), 503, 'CLOSING'],
  ['its host', () => proxy.removeHost(host.name), 502, 'HOST_FAILED'],
])('refuses a handshake that waits for the store with %s', async (_, end, status, code) => {
  await beforeSlowStore({ drainTimeout: 1000 });
  const reply = request(`${url}/socket.io/?EIO=4&transport=polling`);
  await until('it waits for the store', () => binds.length === 1);
  end();
  await clock.advance(1000);
  const came = await reply;
  expect([came.status, came.json()]).toEqual([status, expect.objectContaining({ code })]);
});

it('counts one refusal of a handshake whose host goes while the store is asked, which then fails', async () => {
  host = await startSessionHost();
  const fails: (() => void)[] = [];
  const store = new MemoryStore();
  store.bind = () => new Promise((_, reject) => fails.push(() => reject(new Error('no store'))));
  ({ proxy, url } = await before([host], { checkInterval: HOUR, storeTimeout: HOUR, store, onStoreFailure: 'refuse' }));
  const reply = request(`${url}/socket.io/?EIO=4&transport=polling`);
  await until('it waits for the store', () => fails.length === 1);
  proxy.removeHost(host.name);
  fails[0]?.();
  expect((await reply).json()).toMatchObject({ code: 'HOST_FAILED' });
  expect((await proxy.parts.operations.totals()).refusals).toEqual({ 'HOST_FAILED failed': 1 });
});
