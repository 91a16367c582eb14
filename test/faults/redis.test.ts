import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'redis';
import { Clients } from '../support/clients';
import { startHosts, type HostProcess } from '../support/hosts';
import { handshake, pollUrl, request } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { startProxyProcess } from '../support/proxy-process';
import { openClient, RedisProcess, type TestClient } from '../support/redis';
import { Relay } from '../support/relay';
import { until } from '../support/until';

const PREFIX = 'socket.io#';

let hosts: HostProcess[];
let names: string[];

beforeAll(async () => {
  hosts = await startHosts(3);
  names = hosts.map(({ name }) => name);
});

async function post(url: string, sid: string): Promise<number> {
  return (await request(pollUrl(url, sid), { method: 'POST', body: '40' })).status;
}

/** What a proxy tells of its store, in order. */
function storeEvents({ proxy }: Started): string[] {
  const events: string[] = [];
  proxy.on('degraded', () => events.push('degraded'));
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

  it('sessions go on, new ones work, look-ups are answered in under a second, and all is stored when it is back', async () => {
    expect(await post(first.url, running)).toBe(200);

    // The first to find out waits for `storeTimeout` at most; those after it do not wait.
    const began = performance.now();
    const fresh = await Promise.all(Array.from({ length: 10 }, () => handshake(first.url)));
    expect(performance.now() - began).toBeLessThan(5000);
    for (const sid of fresh) expect(await post(first.url, sid)).toBe(200);

    // By now it is known to fail, and nothing waits for it.
    const asked = performance.now();
    for (let i = 0; i < 5; i += 1) expect(await post(first.url, unseen)).toBe(answersReads ? 200 : 503);
    // If they did, they would take 800 ms each.
    expect(performance.now() - asked).toBeLessThan(4000);
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

it('looks sids up again in a Redis that comes back read-only', async () => {
  const redis = await RedisProcess.start();
  const started = await startProxy({ redisClient: createClient({ url: redis.url }), hosts: names });
  await handshake(started.url);
  const degraded = once(started.proxy, 'degraded');
  await redis.kill();
  await degraded;
  expect((await request(pollUrl(started.url, 'unknown'))).status).toBe(503);
  await redis.restart(['--replicaof', '127.0.0.1 1']);
  await until('it is looked up', async () => (await request(pollUrl(started.url, 'unknown'))).status === 400);
});

it('answers a look-up before storeTimeout is over, which is a second, when Redis has just frozen', async () => {
  const redis = await RedisProcess.start();
  const { url } = await startProxy({ redisClient: createClient({ url: redis.url }), hosts: names });
  await handshake(url);
  redis.freeze();
  const asking = request(pollUrl(url, 'unknown'));
  // It waits for as long as a binding may take to be stored.
  const opening = handshake(url).then(() => 'a handshake');
  expect(await Promise.race([asking.then(() => 'a look-up'), opening])).toBe('a look-up');
  const reply = await asking;
  await opening;
  expect([reply.status, reply.headers['retry-after']]).toEqual([503, '1']);
  expect(reply.json()).toEqual({ code: 'STORE_FAILED', message: 'The session store cannot be asked' });
});

it('minds storeTimeout', async () => {
  const redis = await RedisProcess.start();
  const [long, short] = await Promise.all([1000, 100].map((storeTimeout) =>
    startProxy({ redisClient: createClient({ url: redis.url }), hosts: names, storeTimeout }))) as [Started, Started];
  await Promise.all([handshake(long.url), handshake(short.url)]);
  redis.freeze();
  // Whatever else is slow is so for both.
  const order: string[] = [];
  await Promise.all([
    handshake(long.url).then(() => order.push('long')),
    handshake(short.url).then(() => order.push('short')),
  ]);
  expect(order).toEqual(['short', 'long']);
});

it('does not take its own standstill for one of Redis', async () => {
  const redis = await RedisProcess.start();
  const relay = await Relay.start(redis.port);
  const options = { hosts: names, redisUrl: `redis://127.0.0.1:${relay.port}` };
  const [first, second] = await Promise.all([startProxyProcess(options), startProxyProcess(options)]);
  const sid = await handshake(first.url);
  const degraded: string[] = [];
  second.on('degraded', (message: string) => degraded.push(message));
  relay.delay = 150;
  relay.log.length = 0;
  const posted = post(second.url, sid);
  await until('Redis is asked', () => relay.log.some(({ to }) => to === 'server'));
  // The answer arrives while the proxy stands still, for longer than it would wait for one.
  second.freeze();
  await sleep(1500);
  second.thaw();
  expect(await posted).toBe(200);
  expect(degraded).toEqual([]);
});

it('goes on while Redis loads its data', async () => {
  const redis = await RedisProcess.start();
  const admin = await openClient(redis.url);
  const first = await startProxy({ redisClient: createClient({ url: redis.url }), hosts: names });
  const running = await handshake(first.url);
  await redis.restartLoading();
  const isLoading = (): Promise<boolean> =>
    admin.get('x').then(() => false, (error: unknown) => String(error).includes('LOADING'));
  await until('Redis says that it is loading', isLoading);
  // Not before: it may have recovered while the data were made.
  const recovered = once(first.proxy, 'recovered');
  expect(await post(first.url, running)).toBe(200);
  expect(await post(first.url, await handshake(first.url))).toBe(200);
  await recovered;
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
  const quick = await startHosts(3, { pingInterval: 1000, pingTimeout: 1000 });
  const { url } = await startProxy({
    redisClient: createClient({ url: redis.url }), hosts: quick.map(({ name }) => name), keyExpiry: 2,
  });
  const clients = new Clients();
  const connected = await Promise.all([['polling'], ['websocket'], ['polling', 'websocket']].map((transports) =>
    clients.connect({ url, transports: transports as ['polling'] })));
  let lost = 0;
  clients.on('disconnect', () => lost += 1);
  // Lets the first write of the one that was opened by WebSocket arrive.
  await until('all are stored', async () => await admin.dbSize() === 3);
  await admin.flushAll();
  for (const { key, host } of connected) expect(await clients.host(key)).toBe(host);
  await until('all are stored again', async () => await admin.dbSize() === 3);
  for (const { sid, host } of connected) expect(await admin.get(PREFIX + sid)).toBe(host);
  expect(lost).toBe(0);
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
    const clients = new Clients();
    expect((await clients.connect({ url: started.url, transports: ['websocket'] })).transport).toBe('websocket');
    const recovered = once(started.proxy, 'recovered');
    await redis.restart();
    await recovered;
    expect(await handshake(started.url)).toEqual(expect.any(String));
  });
});

describe('the client of the caller\'s', () => {
  it('is opened where it is not, and then closed', async () => {
    const redis = await RedisProcess.start();
    const redisClient = createClient({ url: redis.url });
    const { proxy, url } = await startProxy({ redisClient, hosts: names });
    await handshake(url);
    expect(redisClient.isReady).toBe(true);
    await proxy.close();
    expect(redisClient.isOpen).toBe(false);
  });

  it('stays open where it was open, and keeps no listener of the proxy\'s', async () => {
    const redis = await RedisProcess.start();
    const redisClient = await openClient(redis.url);
    const listeners = redisClient.listenerCount('error');
    const { proxy } = await startProxy({ redisClient, hosts: names });
    await proxy.close();
    expect(await redisClient.ping()).toBe('PONG');
    expect(redisClient.listenerCount('error')).toBe(listeners);
  });

  it('does not end the process with its errors', async () => {
    const redis = await RedisProcess.start();
    const redisClient = createClient({ url: redis.url });
    const started = await startProxy({ redisClient, hosts: names });
    await handshake(started.url);
    const degraded = once(started.proxy, 'degraded');
    await redis.kill();
    expect((await degraded)[0]).toBeInstanceOf(Error);
    await sleep(300);
    expect(await handshake(started.url)).toEqual(expect.any(String));
  });
});
