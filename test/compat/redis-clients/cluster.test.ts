import { RedisStore } from '../../../src';
import { onCleanup } from '../../support/cleanup';
import { startHosts } from '../../support/hosts';
import { handshake, pollUrl, request } from '../../support/http';
import { startProxy, type Started } from '../../support/proxy';
import { CLUSTER_FAMILIES, installedAs, opened } from '../../support/redis-clients';
import { RedisCluster } from '../../support/redis-cluster';
import { SERVERS } from '../../support/redis-server';
import { Remote } from '../../support/remote';
import { tested } from '../../support/tested';
import { until } from '../../support/until';

const SIDS = Array.from({ length: 30 }, (_, i) => `sid-${i}`);

let hosts: string[];

beforeAll(async () => {
  hosts = (await startHosts(2)).map(({ name }) => name);
});

async function post({ url }: Started, sid: string): Promise<number> {
  return (await request(pollUrl(url, sid), { method: 'POST', body: '40' })).status;
}

describe.each(SERVERS)('with a cluster of %s', (program) => {
  let cluster: RedisCluster;

  beforeAll(async () => {
    cluster = await RedisCluster.start(program);
  });

  describe.each(CLUSTER_FAMILIES)('a client of $name', ({ name, installed, opensItself, make }) => {
    it('finds a session that was opened through another proxy', async () => {
      const options = (): Parameters<typeof startProxy>[0] => ({ redisClient: make(cluster.ports).client, hosts, keyPrefix: `${name}#` });
      const [first, second] = [await startProxy(options()), await startProxy(options())];
      const sids = await Promise.all(SIDS.slice(0, 5).map(() => handshake(first.url)));
      for (const sid of sids) expect(await post(second, sid)).toBe(200);
      expect(await post(second, 'unknown')).toBe(400);
    });

    it('keeps bindings on all nodes, and with a hash tag in one slot', async () => {
      const { client } = await opened(make(cluster.ports));
      const spread = new RedisStore(client, `${name} spread#`);
      const tagged = new RedisStore(client, `{${name} tag}#`);
      for (const store of [spread, tagged]) {
        await Promise.all(SIDS.map((sid) => store.bind(sid, `host of ${sid}`, 100)));
        expect(await Promise.all(SIDS.map((sid) => store.find(sid, 100)))).toEqual(SIDS.map((sid) => `host of ${sid}`));
      }
      const counts = cluster.nodes.map(async ({ admin }) => (await admin.keys(`${name} spread#*`)).length);
      expect(await Promise.all(counts)).not.toContain(0);
      const { slot, owner } = await cluster.slotOf(`{${name} tag}#`);
      expect(await owner.admin.sendCommand(['CLUSTER', 'COUNTKEYSINSLOT', String(slot)])).toBe(SIDS.length);
      await Promise.all(SIDS.map((sid) => spread.unbind(sid)));
      expect(await Promise.all(SIDS.map((sid) => spread.find(sid, 100)))).toEqual(SIDS.map(() => undefined));
    });

    it('sends a script to the node that has its key', async () => {
      const { client } = await opened(make(cluster.ports));
      const store = new RedisStore(client, `${name} scripts#`);
      await Promise.all(cluster.nodes.map(({ admin }) => admin.sendCommand(['CONFIG', 'RESETSTAT'])));
      await Promise.all(SIDS.map((sid) => store.release(sid, 'a:1', 100)));
      for (const { admin } of cluster.nodes) expect(await admin.info('errorstats')).not.toContain('MOVED');
    });

    it('follows a slot that moves to another node', async () => {
      const { client } = await opened(make(cluster.ports));
      const keyPrefix = `{${name} moves}#`;
      const store = new RedisStore(client, keyPrefix);
      await store.bind('a', 'host:1', 100);
      const { finish } = await cluster.move(`${keyPrefix}a`);
      expect(await store.find('a', 100)).toBe('host:1');
      await store.bind('b', 'host:2', 100);
      await finish();
      expect(await store.find('a', 100)).toBe('host:1');
      expect(await store.find('b', 100)).toBe('host:2');
      expect(await store.inspect('b')).toMatchObject({ host: 'host:2', expiresIn: expect.any(Number) as number });
      expect(await store.inspect('unknown')).toBeUndefined();
      expect(await store.claim('a', 'host:3', 100)).toBe('host:1');
      expect(await store.claim('c', 'host:3', 100)).toBe('host:3');
      expect(await store.find('a', 100)).toBe('host:1');
      await store.unbind('a');
      expect(await store.find('a', 100)).toBeUndefined();
      tested('Redis client', ...installedAs(installed));
    });

    it('stays open where it was', async () => {
      const made = await opened(make(cluster.ports));
      const { proxy, url } = await startProxy({ redisClient: made.client, hosts });
      await handshake(url);
      await proxy.close();
      expect(made.isOpen()).toBe(true);
      const store = new RedisStore(made.client, `${name}#`);
      await store.bind('after', 'host:1', 10);
      expect(await store.find('after', 10)).toBe('host:1');
    });

    if (!opensItself) {
      it('is opened where it is not, and then closed', async () => {
        const made = make(cluster.ports);
        const { proxy, url } = await startProxy({ redisClient: made.client, hosts });
        await handshake(url);
        expect(made.isOpen()).toBe(true);
        await proxy.close();
        await until('it is closed', () => !made.isOpen());
      });

      it('is asked nothing before it is open', async () => {
        const store = new RedisStore(make(cluster.ports).client, `${name} early#`);
        onCleanup(() => store.close());
        const opening = store.open();
        await Promise.all([store.find('a', 100), store.inspect('b'), store.bind('c', 'host:1', 100), store.unbind('d')]);
        await opening;
        expect(await store.find('c', 100)).toBe('host:1');
      });
    }
  });

  it('clients are closed for good, also while they are being opened', async () => {
    const remote = new Remote('redis-clients.mjs');
    await remote.call('make', cluster.ports[0], ['redis 4 cluster', 'redis 5 cluster', 'redis 6 cluster']);
    await remote.call('listen');
    await remote.call('close');
    await remote.call('leave');
    expect(await remote.exit()).toBe(0);
  });

  // All at once, since each has to wait for the same. Last, as it empties a node.
  it('goes on while a node is down, and stores what that has lost when it is back', async () => {
    const all = await Promise.all(CLUSTER_FAMILIES.map(async ({ name, make }) => {
      const options = (): Parameters<typeof startProxy>[0] =>
        ({ redisClient: make(cluster.ports).client, hosts, keyPrefix: `${name} down#`, storeTimeout: 500 });
      const [first, second] = [await startProxy(options()), await startProxy(options())];
      const events: string[] = [];
      first.proxy.on('degraded', () => events.push('degraded'));
      first.proxy.on('recovered', () => events.push('recovered'));
      return { name, first, second, events, sids: await Promise.all(SIDS.map(() => handshake(first.url))) };
    }));
    const [node] = cluster.nodes;
    await node.redis.kill();
    // A key of that node has to be asked for before anything is noticed.
    await until('all are degraded', async () => {
      await Promise.all(all.map(async ({ first, sids }) => sids.push(await handshake(first.url))));
      return all.every(({ events }) => events.length > 0);
    });
    for (const { first, sids } of all) for (const sid of sids) expect(await post(first, sid)).toBe(200);
    await cluster.restart(node);
    await until('all have recovered', () => all.every(({ events }) => events.at(-1) === 'recovered'));
    await Promise.all(all.map(async ({ name, second, sids }) => {
      for (const sid of sids) await until(`${name}: ${sid} is found`, async () => await post(second, sid) === 200);
    }));
  });
});
