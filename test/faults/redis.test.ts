import { once } from 'node:events';
import { createClient } from 'redis';
import { RedisStore } from '../../src';
import { Bindings } from '../../src/sessions/bindings';
import { settle, stopClock } from '../support/clock';
import { exchangeBytes, handshake, pollUrl, request } from '../support/http';
import { AT_HOST, known } from '../support/known-bindings';
import { startProxy, type Started } from '../support/proxy';
import { openClient, RedisProcess, sharedRedisUrl, type TestClient } from '../support/redis';
import { Relay } from '../support/relay';
import { before, openWebSocket, startSessionHosts, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

const PREFIX = 'socket.io#';
const HOUR = 3_600_000;

let hosts: SessionHost[];
let names: string[];

beforeAll(async () => {
  hosts = await startSessionHosts(3);
  names = hosts.map(({ name }) => name);
});

async function post(url: string, sid: string): Promise<number> {
  return (await request(pollUrl(url, sid), { method: 'POST', body: '40' })).status;
}

/** What a proxy tells of its store, in order. */
function storeEvents({ proxy }: Started): string[] {
  const events: string[] = [];
  proxy.on('degraded', (error) => events.push(error instanceof Error ? 'degraded' : 'wrong'));
  proxy.on('recovered', () => events.push('recovered'));
  return events;
}

interface Fault {
  /** Begins it, for clients of `redis`, and resolves with what ends it. */
  begin: (redis: RedisProcess, admin: TestClient) => Promise<() => unknown>;
  /** Sids that this proxy has not seen can still be looked up. */
  answersReads?: true;
  /** Redis has lost what it held. */
  loses?: true;
}

const FAULTS: [string, Fault][] = [
  ['is killed, and started again empty', {
    begin: async (redis) => {
      await redis.kill();
      return () => redis.restart();
    },
    loses: true,
  }],
  ['is frozen', {
    begin: (redis) => {
      redis.freeze();
      return Promise.resolve(() => redis.thaw());
    },
  }],
  ['is a read-only replica', {
    begin: async (_, admin) => {
      await admin.sendCommand(['REPLICAOF', '127.0.0.1', '1']);
      return () => admin.sendCommand(['REPLICAOF', 'NO', 'ONE']);
    },
    answersReads: true,
  }],
  ['is out of memory', {
    begin: async (_, admin) => {
      await admin.configSet('maxmemory', '1');
      return () => admin.configSet('maxmemory', '0');
    },
    answersReads: true,
  }],
];

describe.each(FAULTS)('while Redis %s', (_, { begin, answersReads, loses }) => {
  let redis: RedisProcess;
  let admin: TestClient;
  let first: Started;
  let second: Started;
  let events: string[];
  let secondEvents: string[];
  let end: () => unknown;
  let running: string;
  let unseen: string;

  beforeEach(async () => {
    redis = await RedisProcess.start();
    admin = await openClient(redis.url);
    first = await startProxy({ redisClient: createClient({ url: redis.url }), hosts: names });
    second = await startProxy({ redisClient: createClient({ url: redis.url }), hosts: names });
    events = storeEvents(first);
    secondEvents = storeEvents(second);
    running = await handshake(first.url);
    unseen = await handshake(second.url);
    end = await begin(redis, admin);
  });

  // Nobody but the proxy listens to its clients' errors.
  it('sessions go on, new ones work, look-ups are answered, and all is stored when it is back', async () => {
    expect(await post(first.url, running)).toBe(200);

    const fresh = await Promise.all(Array.from({ length: 10 }, () => handshake(first.url)));
    for (const sid of fresh) expect(await post(first.url, sid)).toBe(200);

    for (let i = 0; i < 5; i += 1) expect(await post(first.url, unseen)).toBe(answersReads ? 200 : 503);
    expect(events).toEqual(['degraded']);

    const recovered = once(first.proxy, 'recovered');
    // The second proxy has noticed only what it was asked for in the meantime, which may be nothing.
    expect(await request(pollUrl(second.url, 'unknown'))).toMatchObject({ status: answersReads ? 400 : 503 });
    // One look-up that fails is no proof.
    if (!answersReads) await until('the second proxy has noticed too', () => secondEvents.includes('degraded'));
    const both = answersReads ? recovered : Promise.all([recovered, once(second.proxy, 'recovered')]);
    await end();
    await both;
    const wanted = [running, ...fresh];
    await until('the bindings are in Redis', async () => await admin.exists(wanted.map((sid) => PREFIX + sid)) === wanted.length);
    for (const sid of wanted) expect(await post(second.url, sid)).toBe(200);
    // What only the second proxy had seen is stored by the second.
    if (loses) await until('the second proxy has stored it', () => admin.exists(PREFIX + unseen));
    expect(await post(first.url, unseen)).toBe(200);
    expect(events).toEqual(['degraded', 'recovered']);
  });
});

it('lets a look-up wait for four fifths of storeTimeout, and a handshake for all of it', async () => {
  const clock = stopClock();
  const asked: string[] = [];
  const silent = (what: string) => (sid: string): Promise<never> => {
    if (!sid.startsWith('probe-')) asked.push(what);
    return new Promise(() => {});
  };
  const store = { bind: silent('bind'), find: silent('find'), unbind: silent('unbind') };
  const { url } = await before(hosts, { store, storeTimeout: 1000, checkInterval: HOUR });
  const ended: string[] = [];
  const reply = request(pollUrl(url, 'unknown')).finally(() => ended.push('look-up'));
  const opened = handshake(url).finally(() => ended.push('handshake'));
  await until('both are asked', () => asked.length === 2);
  await clock.advance(799);
  await settle();
  expect(ended).toEqual([]);
  await clock.advance(1);
  const { status, headers, json } = await reply;
  expect([status, headers['retry-after']]).toEqual([503, '1']);
  expect(json()).toEqual({ code: 'STORE_FAILED', message: 'The session store cannot be asked' });
  await clock.advance(199);
  await settle();
  expect(ended).toEqual(['look-up']);
  await clock.advance(1);
  await opened;
});

it('goes on while Redis loads its data', async () => {
  const redis = await RedisProcess.start();
  const started = await startProxy({ redisClient: createClient({ url: redis.url }), hosts: names });
  const running = await handshake(started.url);
  await redis.restartLoading();
  // Not before: it may have recovered while the data were made.
  const recovered = once(started.proxy, 'recovered');
  await until('Redis answers, as a rule that it is loading', () => exchangeBytes(redis.port, 'GET x\r\nQUIT\r\n').catch(() => ''));
  expect(await post(started.url, running)).toBe(200);
  expect(await post(started.url, await handshake(started.url))).toBe(200);
  await recovered;
  const admin = await openClient(redis.url);
  await until('the session is in Redis', () => admin.exists(PREFIX + running));
});

it('goes on through a failover', async () => {
  // By default a primary waits for 5 s for more replicas, before it copies itself to the first.
  const [primary, replica] = await Promise.all([RedisProcess.start(['--repl-diskless-sync-delay', '0']), RedisProcess.start()]);
  const relay = await Relay.start(primary.port);
  const toReplica = await openClient(replica.url);
  await toReplica.sendCommand(['REPLICAOF', '127.0.0.1', String(primary.port)]);
  const url = `redis://127.0.0.1:${relay.port}`;
  const first = await startProxy({ redisClient: createClient({ url }), hosts: names });
  const second = await startProxy({ redisClient: createClient({ url }), hosts: names });
  const sids = await Promise.all(Array.from({ length: 10 }, () => handshake(first.url)));
  await until('the replica has them', async () => await toReplica.dbSize() === 10);

  const recovered = Promise.all([once(first.proxy, 'recovered'), once(second.proxy, 'recovered')]);
  await primary.kill();
  relay.cut();
  const during = await handshake(first.url);
  await toReplica.sendCommand(['REPLICAOF', 'NO', 'ONE']);
  relay.target = replica.port;
  await recovered;
  await until('the new session is stored', () => toReplica.exists(PREFIX + during));
  for (const sid of [...sids, during]) expect(await post(second.url, sid)).toBe(200);
});

it('loses no session that it has seen when Redis is flushed', async () => {
  const redis = await RedisProcess.start();
  const admin = await openClient(redis.url);
  const clock = stopClock();
  const redisClient = await openClient(redis.url);
  // Its answers come in real time.
  const { url } = await before(hosts, { redisClient, storeTimeout: HOUR, checkInterval: HOUR });
  const polling = await handshake(url);
  const socket = await openWebSocket(url);
  // Lets the first write of the one that was opened by WebSocket arrive.
  await until('both are stored', async () => await admin.dbSize() === 2);
  const bindings = (): Promise<(string | null)[]> =>
    Promise.all(hosts.flatMap(({ sids }) => sids).map((sid) => admin.get(PREFIX + sid)));
  const stored = await bindings();
  await admin.flushAll();
  await clock.advance(50_000);
  expect(await post(url, polling)).toBe(200);
  await until('both are stored again', async () => await admin.dbSize() === 2);
  expect(await bindings()).toEqual(stored);
  expect(socket.readyState).toBe(socket.OPEN);
});

it('stores all that it knows also where it closes in the middle of that', async () => {
  const clock = stopClock();
  const redis = await RedisProcess.start();
  const { hosts: listed, a } = known();
  const options = { ...AT_HOST, keyExpiry: 60, cacheSize: 10_000, storeTimeout: 1000 };
  const bindings = new Bindings(new RedisStore(createClient({ url: redis.url })), listed, options);
  bindings.start();
  const sids = Array.from({ length: 3000 }, (_, i) => `many-${i}`);
  await Promise.all(sids.map((sid) => bindings.bind(sid, a, 60)));
  await redis.kill();
  await clock.advanceUntil('it is told', () => bindings.degraded);
  await redis.restart();
  const admin = await openClient(redis.url);
  await clock.advanceUntil('it stores them again', async () => (await admin.keys(`${PREFIX}many-*`)).length > 0);
  await bindings.close();
  expect(await admin.keys(`${PREFIX}many-*`)).toHaveLength(sids.length);
});

describe("with onStoreFailure 'refuse'", () => {
  it('opens no session by polling that other proxies could not route', async () => {
    const redis = await RedisProcess.start();
    const started = await startProxy({ redisClient: createClient({ url: redis.url }), hosts: names, onStoreFailure: 'refuse' });
    const sid = await handshake(started.url);
    await redis.kill();
    const replies = await Promise.all(Array.from({ length: 5 }, () => request(`${started.url}/socket.io/?EIO=4&transport=polling`)));
    expect(replies.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503]);
    expect(await post(started.url, sid)).toBe(200);
    await openWebSocket(started.url);
    const recovered = once(started.proxy, 'recovered');
    await redis.restart();
    await recovered;
    expect(await handshake(started.url)).toEqual(expect.any(String));
  });
});

describe('the client of the caller\'s', () => {
  it('is opened where it is not, and then closed', async () => {
    const redisClient = createClient({ url: sharedRedisUrl() });
    const { proxy, url } = await startProxy({ redisClient, hosts: names });
    await handshake(url);
    expect(redisClient.isReady).toBe(true);
    await proxy.close();
    expect(redisClient.isOpen).toBe(false);
  });

  it('stays open where it was open, and keeps no listener of the proxy\'s', async () => {
    const redisClient = await openClient();
    const listeners = redisClient.listenerCount('error');
    const { proxy } = await startProxy({ redisClient, hosts: names });
    await proxy.close();
    expect(await redisClient.ping()).toBe('PONG');
    expect(redisClient.listenerCount('error')).toBe(listeners);
  });
});
