import { once } from 'node:events';
import { Cluster } from 'ioredis-6';
import { RedisStore } from '../../../src';
import { slotOf } from '../../../src/sessions/redis-slots';
import { pollUrl, request } from '../../support/http';
import type { ProxyInstance } from '../../support/proxy';
import { before, startSessionHost } from '../../support/session-host';
import { CLUSTER_FAMILIES, ofIoRedis, opened } from '../../support/redis-clients';
import { RedisCluster } from '../../support/redis-cluster';
import { until } from '../../support/until';

const SIDS = Array.from({ length: 60 }, (_, i) => `sid-${i}`);

/** What a proxy tells of its store, in order. */
function storeEvents(proxy: ProxyInstance): string[] {
  const events: string[] = [];
  proxy.on('degraded', () => events.push('degraded'));
  proxy.on('recovered', () => events.push('recovered'));
  return events;
}

async function poll(url: string, sid: string): Promise<number> {
  return (await request(pollUrl(url, sid), { method: 'POST', body: '2' })).status;
}

it('knows the slots of a cluster', async () => {
  const cluster = await RedisCluster.start('redis-server');
  for (const key of ['a', 'socket.io#ü', '{tag}#a', 'x{tag}y{other}', '{}a', 'a}{b', '{a']) {
    expect([key, slotOf(key)]).toEqual([key, (await cluster.slotOf(key)).slot]);
  }
});

it('a lost node takes away only the sids in its slots, and all are served again when it is back', async () => {
  const cluster = await RedisCluster.start('redis-server', ['--cluster-require-full-coverage', 'no']);
  const host = await startSessionHost();
  const ports = cluster.ports.map((port) => ({ host: '127.0.0.1', port }));
  const { client } = await opened(ofIoRedis(new Cluster(ports)));
  const all = await Promise.all(CLUSTER_FAMILIES.map(async ({ name, make }) => {
    const keyPrefix = `${name}#`;
    const store = new RedisStore(client, keyPrefix);
    // Bound by another proxy, and never seen by this one.
    await Promise.all(SIDS.map((sid) => store.bind(sid, host.name, 600)));
    const { proxy, url } = await before([host], { redisClient: make(cluster.ports).client, keyPrefix, storeTimeout: 500 });
    return { name, keyPrefix, url, proxy, events: storeEvents(proxy) };
  }));
  const [node] = cluster.nodes;
  const owners = await Promise.all(all.map(({ keyPrefix }) =>
    Promise.all(SIDS.map(async (sid) => (await cluster.slotOf(keyPrefix + sid)).owner))));
  await node.redis.kill();
  await until('the others serve', async () => {
    const infos = await Promise.all(cluster.nodes.slice(1).map(({ admin }) => admin.sendCommand<string>(['CLUSTER', 'INFO'])));
    return infos.every((info) => info.includes('cluster_slots_fail:5') && info.includes('cluster_state:ok'));
  });
  await Promise.all(all.map(async ({ name, url, events }, at) => {
    const served = SIDS.filter((_, i) => owners[at]?.[i] !== node);
    const lost = SIDS.filter((_, i) => owners[at]?.[i] === node);
    // A few at a time, as they come; each is asked for again, as a client would.
    for (let i = 0; i < Math.max(served.length, lost.length); i += 10) {
      const [good, bad] = await Promise.all([served, lost].map((sids) =>
        Promise.all(sids.slice(i, i + 10).map((sid) => poll(url, sid)))));
      expect([name, new Set(good)]).toEqual([name, new Set(good?.length ? [200] : [])]);
      expect([name, new Set(bad)]).toEqual([name, new Set(bad?.length ? [503] : [])]);
    }
    // Who asks for the lost ones over and over takes nothing from the others.
    await Promise.all(Array.from({ length: 100 }, () => lost[0] ?? '').map((sid) => poll(url, sid)));
    expect([name, await Promise.all(served.map((sid) => poll(url, sid)))]).toEqual([name, served.map(() => 200)]);
    expect([name, events]).toEqual([name, []]);
  }));
  await cluster.restart(node);
  const again = new RedisStore(client, 'again#');
  await until('the node is found again', () => again.find('x', 10).then(() => true, () => false));
  await Promise.all(all.map(async ({ name, url, events }, at) => {
    const lost = SIDS.filter((_, i) => owners[at]?.[i] === node);
    // The node is empty, and so these are unknown now: they are looked up, and not refused.
    for (const sid of lost) await until(`${name}: ${sid} is looked up`, async () => await poll(url, sid) === 400);
    expect([name, events]).toEqual([name, []]);
  }));
}, 120_000);

it('a whole cluster that is lost is told as degraded, and recovers', async () => {
  const cluster = await RedisCluster.start('redis-server', ['--cluster-require-full-coverage', 'no']);
  const host = await startSessionHost();
  const all = await Promise.all(CLUSTER_FAMILIES.map(async ({ name, make }) =>
    ({ name, ...await before([host], { redisClient: make(cluster.ports).client, keyPrefix: `${name}#`, storeTimeout: 500 }) })));
  for (const { url } of all) expect(await poll(url, 'unknown')).toBe(400);
  const degraded = Promise.all(all.map(({ proxy }) => once(proxy, 'degraded')));
  const recovered = Promise.all(all.map(({ proxy }) => once(proxy, 'recovered')));
  for (const { redis } of cluster.nodes) redis.freeze();
  expect(await Promise.all(all.map(({ url }) => poll(url, 'other')))).toEqual(all.map(() => 503));
  await degraded;
  for (const { redis } of cluster.nodes) redis.thaw();
  await recovered;
});
