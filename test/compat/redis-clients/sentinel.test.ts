import * as redis6 from 'redis';
import * as redis5 from 'redis-5';
import { RedisStore } from '../../../src';
import { onCleanup } from '../../support/cleanup';
import { startHosts } from '../../support/hosts';
import { handshake, pollUrl, request } from '../../support/http';
import { startProxy, type Started } from '../../support/proxy';
import { openClient } from '../../support/redis';
import { installedAs, ofNodeRedis, opened, SENTINEL_FAMILIES, type Made } from '../../support/redis-clients';
import { RedisSentinel, SENTINEL_NAME } from '../../support/redis-sentinel';
import { SERVERS } from '../../support/redis-server';
import { Relay } from '../../support/relay';
import { Remote } from '../../support/remote';
import { tested } from '../../support/tested';
import { until } from '../../support/until';

const SIDS = Array.from({ length: 50 }, (_, i) => `sid-${i}`);

interface Address {
  host: string;
  port: number;
}

interface SentinelOptions {
  name: string;
  sentinelRootNodes: Address[];
  nodeAddressMap: Record<string, Address>;
}

// The clients' own types, compared with one another, take the compiler longer than all that is ours.
function sentinelOf5(options: SentinelOptions): Made {
  const client = redis5.createSentinel(options);
  return ofNodeRedis(client, () => client.get('x'));
}

function sentinelOf6(options: SentinelOptions): Made {
  const client = redis6.createSentinel(options);
  return ofNodeRedis(client, () => client.get('x'));
}

let hosts: string[];

beforeAll(async () => {
  hosts = (await startHosts(2)).map(({ name }) => name);
});

async function post({ url }: Started, sid: string): Promise<number> {
  return (await request(pollUrl(url, sid), { method: 'POST', body: '40' })).status;
}

describe.each(SERVERS)('with Sentinel over %s', (program) => {
  let sentinel: RedisSentinel;

  beforeAll(async () => {
    sentinel = await RedisSentinel.start(program);
  });

  describe.each(SENTINEL_FAMILIES)('a client of $name', ({ name, opensItself, make }) => {
    it('finds a session that was opened through another proxy', async () => {
      const options = (): Parameters<typeof startProxy>[0] => ({ redisClient: make(sentinel.port).client, hosts, keyPrefix: `${name}#` });
      const [first, second] = [await startProxy(options()), await startProxy(options())];
      const sid = await handshake(first.url);
      expect(await post(second, sid)).toBe(200);
      expect(await post(second, 'unknown')).toBe(400);
    });

    it('binds, renews and unbinds, and answers with the server\'s error', async () => {
      const { client } = await opened(make(sentinel.port));
      const admin = await openClient(sentinel.primary.url);
      const store = new RedisStore(client, `${name} store#`);
      await store.bind('a', 'host:1', 10);
      expect(await store.find('a', 100)).toBe('host:1');
      expect(await store.inspect('a')).toMatchObject({ host: 'host:1', expiresIn: expect.any(Number) as number });
      expect(await store.inspect('unknown')).toBeUndefined();
      await until('it is renewed', async () => await admin.ttl(`${name} store#a`) > 90);
      expect(await store.claim('a', 'host:3', 100)).toBe('host:1');
      expect(await store.claim('b', 'host:3', 100)).toBe('host:3');
      expect(await store.find('a', 100)).toBe('host:1');
      await store.unbind('a');
      expect(await store.find('a', 100)).toBeUndefined();
      await admin.lPush(`${name} store#list`, 'x');
      expect(await store.find('list', 5)).toBeUndefined();
      await admin.sendCommand(['ACL', 'SETUSER', 'default', '-get']);
      onCleanup(() => admin.sendCommand(['ACL', 'SETUSER', 'default', '+get']));
      await expect(store.find('a', 5)).rejects.toThrow(/NOPERM/);
    });

    it('stays open where it was', async () => {
      const made = await opened(make(sentinel.port));
      const { proxy, url } = await startProxy({ redisClient: made.client, hosts });
      await handshake(url);
      await proxy.close();
      expect(made.isOpen()).toBe(true);
      expect(await new RedisStore(made.client).find('unknown', 10)).toBeUndefined();
    });

    if (!opensItself) {
      it('is opened where it is not, and then closed', async () => {
        const made = make(sentinel.port);
        const { proxy, url } = await startProxy({ redisClient: made.client, hosts });
        await handshake(url);
        expect(made.isOpen()).toBe(true);
        await proxy.close();
        await until('it is closed', () => !made.isOpen());
      });
    }
  });

  it.each<[string, (options: SentinelOptions) => Made]>([
    ['redis 5', sentinelOf5],
    ['redis 6', sentinelOf6],
  ])('a client of %s answers what is asked at once without waiting for each answer', async (name, create) => {
    const relay = await Relay.start(sentinel.primary.port);
    const { client } = await opened(create({
      name: SENTINEL_NAME,
      sentinelRootNodes: [{ host: '127.0.0.1', port: sentinel.port }],
      nodeAddressMap: { [`127.0.0.1:${sentinel.primary.port}`]: { host: '127.0.0.1', port: relay.port } },
    }));
    const store = new RedisStore(client, `${name} many#`);
    relay.delay = 20;
    const sentBeforeAnyAnswer = (): string => {
      const answered = relay.log.findIndex(({ to }) => to === 'client');
      return relay.log.splice(0).slice(0, answered).map(({ bytes }) => bytes.toString()).join('');
    };
    relay.log.length = 0;
    await Promise.all(SIDS.map((sid) => store.bind(sid, 'host:1', 100)));
    const bound = sentBeforeAnyAnswer();
    expect(SIDS.filter((sid) => !bound.includes(`#${sid}\r\n`))).toEqual([]);
    expect(await Promise.all(SIDS.map((sid) => store.find(sid, 50)))).toEqual(SIDS.map(() => 'host:1'));
    const asked = sentBeforeAnyAnswer();
    expect(SIDS.filter((sid) => !asked.includes(`#${sid}\r\n`))).toEqual([]);
  });

  it('clients are closed for good, also while they are being opened', async () => {
    const remote = new Remote('redis-clients.mjs');
    await remote.call('make', sentinel.port, ['redis 5 sentinel', 'redis 6 sentinel']);
    await remote.call('listen');
    await remote.call('close');
    await remote.call('leave');
    expect(await remote.exit()).toBe(0);
  });

  // All at once, since each has to wait for the same. Last, as it takes the primary away.
  it('goes on through a failover, and finds what was bound before it', async () => {
    const toReplica = await openClient(sentinel.replica.url);
    const all = await Promise.all(SENTINEL_FAMILIES.map(async ({ name, installed, make }) => {
      const options = (): Parameters<typeof startProxy>[0] =>
        ({ redisClient: make(sentinel.port).client, hosts, keyPrefix: `${name} failover#` });
      const [first, second] = [await startProxy(options()), await startProxy(options())];
      const events: string[] = [];
      first.proxy.on('degraded', () => events.push('degraded'));
      first.proxy.on('recovered', () => events.push('recovered'));
      const sids = await Promise.all(Array.from({ length: 10 }, () => handshake(first.url)));
      return { name, installed, first, second, events, sids };
    }));
    const keys = all.flatMap(({ name, sids }) => sids.map((sid) => `${name} failover#${sid}`));
    await until('the replica has them', async () => await toReplica.exists(keys) === keys.length);
    await sentinel.primary.kill();
    const during = await Promise.all(all.map(({ first }) => handshake(first.url)));
    for (const { first, sids } of all) for (const sid of sids) expect(await post(first, sid)).toBe(200);
    // A Sentinel closes the connections of one that it promotes, also one with a question under way.
    const roleOf = (): Promise<string> => toReplica.info('replication').catch(() => '');
    await until('the replica has taken over', async () => (await roleOf()).includes('role:master'));
    // A client that was told of the new primary before it was asked for anything has not degraded at all.
    await until('none is degraded', () => all.every(({ events }) => events.at(-1) !== 'degraded'));
    const wanted = [...keys, ...all.map(({ name }, i) => `${name} failover#${during[i] ?? ''}`)];
    await until('all is stored', async () => await toReplica.exists(wanted) === wanted.length);
    await Promise.all(all.map(async ({ name, second, sids }) => {
      for (const sid of sids) await until(`${name}: ${sid} is found`, async () => await post(second, sid) === 200);
    }));
    for (const { installed } of all) tested('Redis client', ...installedAs(installed));
  });
});
