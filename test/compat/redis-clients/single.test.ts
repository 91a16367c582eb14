import { once } from 'node:events';
import { types } from 'node:util';
import { RedisStore } from '../../../src';
import { onCleanup } from '../../support/cleanup';
import { startHosts } from '../../support/hosts';
import { handshake, pollUrl, request } from '../../support/http';
import { startProxy, type Started } from '../../support/proxy';
import { openClient, RedisProcess, uniqueKeyPrefix, type TestClient } from '../../support/redis';
import { FAMILIES, installedAs, opened } from '../../support/redis-clients';
import { SERVERS, versionOfServer } from '../../support/redis-server';
import { Relay } from '../../support/relay';
import { tested } from '../../support/tested';
import { until } from '../../support/until';

let hosts: string[];

beforeAll(async () => {
  hosts = (await startHosts(2)).map(({ name }) => name);
});

async function post({ url }: Started, sid: string): Promise<number> {
  return (await request(pollUrl(url, sid), { method: 'POST', body: '40' })).status;
}

const nothing = (): void => {};

describe.each(SERVERS)('on %s', (program) => {
  let redis: RedisProcess;
  let admin: TestClient;

  beforeAll(async () => {
    redis = await RedisProcess.start([], { program });
    admin = await openClient(redis.url);
  });

  describe.each(FAMILIES)('a client of $name', ({ installed, opensItself, make }) => {
    it('finds a session that was opened through another proxy', async () => {
      const keyPrefix = uniqueKeyPrefix();
      const options = (): Parameters<typeof startProxy>[0] => ({ redisClient: make(redis.port).client, hosts, keyPrefix });
      const [first, second] = [await startProxy(options()), await startProxy(options())];
      const sid = await handshake(first.url);
      expect(hosts).toContain(await admin.get(keyPrefix + sid));
      expect(await post(second, sid)).toBe(200);
      expect(await post(second, 'unknown')).toBe(400);
      tested('Redis client', ...installedAs(installed));
      tested('Redis server', program.split('-')[0] ?? '', await versionOfServer(program));
    });

    it('binds, renews and unbinds', async () => {
      const prefix = uniqueKeyPrefix();
      const { client, open } = make(redis.port);
      client.on('error', nothing);
      await open();
      const store = new RedisStore(client, prefix);
      await store.bind('a', 'host:1', 10);
      expect(await admin.get(`${prefix}a`)).toBe('host:1');
      expect(await admin.ttl(`${prefix}a`)).toBeGreaterThan(8);
      expect(await store.find('a', 100)).toBe('host:1');
      await until('it is renewed', async () => await admin.ttl(`${prefix}a`) > 90);
      expect(await store.inspect('a')).toEqual({ host: 'host:1', expiresIn: expect.closeTo(98, -1) as number });
      expect(await store.inspect('unknown')).toBeUndefined();
      // Not shortened.
      expect(await store.find('a', 5)).toBe('host:1');
      expect(await admin.ttl(`${prefix}a`)).toBeGreaterThan(90);
      await store.unbind('a');
      expect(await admin.exists(`${prefix}a`)).toBe(0);
      expect(await store.find('a', 5)).toBeUndefined();
    });

    it.each(['as one of all commands', 'as one that may not use SET'])('binds what is not bound, or tells the host, %s', async (user) => {
      const prefix = uniqueKeyPrefix();
      const { client, open } = make(redis.port);
      client.on('error', nothing);
      await open();
      const store = new RedisStore(client, prefix);
      if (user.includes('not')) {
        await admin.sendCommand(['ACL', 'SETUSER', 'default', '-set']);
        onCleanup(() => admin.sendCommand(['ACL', 'SETUSER', 'default', '+set']));
      }
      await store.bind('a', 'host:1', 10);
      expect(await store.claim('a', 'host:2', 100)).toBe('host:1');
      expect(await store.claim('b', 'host:2', 100)).toBe('host:2');
      expect(await store.claim('b', 'host:2', 10)).toBe('host:2');
      expect(await admin.get(`${prefix}a`)).toBe('host:1');
      expect(await admin.get(`${prefix}b`)).toBe('host:2');
      expect(await admin.ttl(`${prefix}b`)).toBeGreaterThan(90);
    });

    it('rejects with the error that the server answers with', async () => {
      const prefix = uniqueKeyPrefix();
      const { client, open } = make(redis.port);
      client.on('error', nothing);
      await open();
      const store = new RedisStore(client, prefix);
      await expect(store.bind('a', 'host:1', 0)).rejects.toThrow(/invalid expire/);
      await admin.sendCommand(['ACL', 'SETUSER', 'default', '-get']);
      onCleanup(() => admin.sendCommand(['ACL', 'SETUSER', 'default', '+get']));
      await expect(store.find('a', 5)).rejects.toThrow(/NOPERM/);
    });

    it('leaves alone what no proxy has written', async () => {
      const prefix = uniqueKeyPrefix();
      const { client, open } = make(redis.port);
      client.on('error', nothing);
      await open();
      const store = new RedisStore(client, prefix);
      await admin.lPush(`${prefix}list`, 'x');
      expect(await store.find('list', 5)).toBeUndefined();
      expect(await store.inspect('list')).toBeUndefined();
      await admin.set(`${prefix}lasting`, 'host:1');
      expect(await store.find('lasting', 5)).toBe('host:1');
      // Commands of one client are answered in their order.
      await store.unbind('list');
      expect(await admin.ttl(`${prefix}lasting`)).toBe(-1);
    });

    it('looks a sid up in one write', async () => {
      const relay = await Relay.start(redis.port);
      const { client, open } = make(relay.port);
      client.on('error', nothing);
      await open();
      const store = new RedisStore(client, uniqueKeyPrefix());
      await store.bind('a', 'host:1', 100);
      relay.log.length = 0;
      expect(await store.find('a', 50)).toBe('host:1');
      const sent = relay.log.filter(({ to }) => to === 'server').map(({ bytes }) => bytes.toString());
      expect(sent).toEqual([expect.stringMatching(/\r\nget\r\n.+\r\nttl\r\n/is)]);
      expect(sent[0]).not.toMatch(/multi/i);
    });

    it('stays open where it was, and keeps no listener of the proxy\'s', async () => {
      const made = await opened(make(redis.port));
      const listeners = (): number => made.client.listenerCount('error') + made.client.listenerCount('ready');
      const before = listeners();
      const { proxy, url } = await startProxy({ redisClient: made.client, hosts });
      await handshake(url);
      await proxy.close();
      expect(made.isOpen()).toBe(true);
      expect(await made.ping()).toBe('PONG');
      expect(listeners()).toBe(before);
    });

    if (!opensItself) {
      it('is opened where it is not, and then closed', async () => {
        const made = make(redis.port);
        expect(made.isOpen()).toBe(false);
        const { proxy, url } = await startProxy({ redisClient: made.client, hosts });
        await handshake(url);
        expect(await made.ping()).toBe('PONG');
        await proxy.close();
        await until('it is closed', () => !made.isOpen());
      });
    }
  });

  // All at once, since each has to wait for the same.
  it('degrades when the server is killed, recovers when it is back, and stores what it has lost', async () => {
    const own = await RedisProcess.start([], { program });
    const check = await openClient(own.url);
    const all = await Promise.all(FAMILIES.map(async ({ name, make }) => {
      const keyPrefix = `${name}#`;
      const started = await startProxy({ redisClient: make(own.port).client, hosts, keyPrefix });
      const events: string[] = [];
      started.proxy.on('degraded', (error) => events.push(types.isNativeError(error) ? 'degraded' : 'wrong'));
      started.proxy.on('recovered', () => events.push('recovered'));
      return { name, started, keyPrefix, events, sid: await handshake(started.url) };
    }));
    await own.kill();
    const during = await Promise.all(all.map(({ started }) => handshake(started.url)));
    await until('all are degraded', () => all.every(({ events }) => events.length > 0));
    for (const { started, sid } of all) expect(await post(started, sid)).toBe(200);
    expect(all.map(({ events }) => events)).toEqual(all.map(() => ['degraded']));
    await own.restart();
    await until('all have recovered', () => all.every(({ events }) => events.length > 1));
    expect(all.map(({ name, events }) => [name, ...events])).toEqual(all.map(({ name }) => [name, 'degraded', 'recovered']));
    const keys = all.flatMap(({ keyPrefix, sid }, i) => [keyPrefix + sid, keyPrefix + (during[i] ?? '')]);
    await until('all is stored', async () => await check.exists(keys) === keys.length);
  });

  it('is answered in time while the server is frozen, and goes on when it is not', async () => {
    const own = await RedisProcess.start([], { program });
    const all = await Promise.all(FAMILIES.map(async ({ make }) => {
      const started = await startProxy({ redisClient: make(own.port).client, hosts });
      return { started, sid: await handshake(started.url) };
    }));
    const degraded = Promise.all(all.map(({ started }) => once(started.proxy, 'degraded')));
    const recovered = Promise.all(all.map(({ started }) => once(started.proxy, 'recovered')));
    own.freeze();
    expect(await Promise.all(all.map(({ started }) => post(started, 'unknown')))).toEqual(all.map(() => 503));
    await degraded;
    expect(await Promise.all(all.map(({ started, sid }) => post(started, sid)))).toEqual(all.map(() => 200));
    own.thaw();
    await recovered;
    expect(await Promise.all(all.map(({ started }) => post(started, 'unknown')))).toEqual(all.map(() => 400));
  });
});
