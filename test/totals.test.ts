import { once } from 'node:events';
import { countOf } from '../src/histogram';
import { createHostTotals, createTotals, sumOf, type HostTotals } from '../src/totals';
import { handshake, pollUrl, request } from './support/http';
import { before, openWebSocket, startSessionHost } from './support/session-host';
import { until } from './support/until';

it('counts what a host has answered, its sessions and upgrades, and how long it took, but not of polls', async () => {
  const host = await startSessionHost();
  const { proxy, url } = await before([host]);
  const totals = async (): Promise<HostTotals> => (await proxy.operations.totals()).hosts[host.name] ?? createHostTotals();
  const sid = await handshake(url);
  await request(pollUrl(url, sid), { method: 'POST', body: '2' });
  const [poll] = [request(pollUrl(url, sid)), await once(host, 'poll')];
  host.answer();
  await poll;
  await openWebSocket(url, sid);
  await openWebSocket(url);
  await until('both sessions are known', () => proxy.hosts[0]?.sessions === 2);
  const counted = await totals();
  expect(counted).toMatchObject({
    responses: { '1xx': 2, '2xx': 3, '3xx': 0, '4xx': 0, '5xx': 0 },
    handshakes: { polling: 1, websocket: 1 },
    upgrades: 1,
    moved: 0,
  });
  expect(countOf(counted.latency)).toBe(2);
  const { cache, store } = await proxy.operations.totals();
  expect(cache).toEqual({ hits: 3, misses: 0 });
  expect([countOf(store.bind), countOf(store.find), countOf(store.unbind), store.failures]).toEqual([2, 0, 0, 0]);
});

it('adds up what several processes have counted, and shares nothing with it', () => {
  const one = createTotals();
  const other = createTotals();
  one.refusals['1 expired'] = 2;
  other.refusals['1 expired'] = 3;
  other.refusals['3 path'] = 1;
  one.cache.hits = 1;
  other.cache.hits = 4;
  one.hosts['a:1'] = { ...createHostTotals(), sentBytes: 5 };
  other.hosts['a:1'] = { ...createHostTotals(), sentBytes: 6 };
  other.hosts['b:1'] = { ...createHostTotals(), moved: 7 };
  other.store.find.buckets[2] = 8;
  const [before, sum] = [structuredClone([one, other]), sumOf([one, other])];
  expect(sum).toMatchObject({
    refusals: { '1 expired': 5, '3 path': 1 },
    cache: { hits: 5, misses: 0 },
    hosts: { 'a:1': { sentBytes: 11 }, 'b:1': { moved: 7 } },
  });
  expect(sum.store.find.buckets).toEqual(one.store.find.buckets.map((_, i) => (i === 2 ? 8 : 0)));
  for (const { responses, latency } of Object.values(sum.hosts)) {
    responses['2xx'] += 1;
    latency.buckets[0] = 9;
  }
  sum.refusals['3 path'] = 0;
  sum.store.find.buckets[2] = 0;
  expect([one, other]).toEqual(before);
});
