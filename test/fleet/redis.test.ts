import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type Proxy from '../../src';
import { Proxy as Class } from '../../src';
import { operatedBefore, pathOf, type Operated } from '../support/admin';
import { onCleanup } from '../support/cleanup';
import { TestFleet } from '../support/fleet';
import { handshake, pollUrl, request, type Reply } from '../support/http';
import { openClient, RedisProcess, type TestClient } from '../support/redis';
import { startProxy, type ProxyInstance, type Started } from '../support/proxy';
import { before, openWebSocket, startSessionHosts, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

let hosts: SessionHost[];
let redis: RedisProcess;
let fleet: TestFleet;

beforeEach(async () => {
  hosts = await startSessionHosts(2);
  redis = await RedisProcess.start();
  fleet = await TestFleet.start(redis.url, 'socket.io#');
});

const startMember = async (options: Partial<Proxy.PartialProxyOptions> = {}): Promise<Started> =>
  before(hosts, { redisClient: await openClient(redis.url), fleet: true, ...options });

async function startTwo(): Promise<[ProxyInstance, ProxyInstance]> {
  const [{ proxy: one }, { proxy: other }] = [await startMember(), await startMember()];
  await fleet.together(one, other);
  return [one, other];
}

const drains = (proxy: ProxyInstance): boolean[] => proxy.hosts.map(({ draining }) => draining);
const nameOf = (index: number): string => hosts[index]?.name ?? '';

async function userWith(...rights: string[]): Promise<TestClient> {
  const admin = await openClient(redis.url);
  await admin.sendCommand(['ACL', 'SETUSER', 'proxy', 'reset', 'on', '>secret', '~socket.io#*', '~{socket.io-fleet}*',
    '+get', '+ttl', '+expire', '+setex', '+set', '+del', ...rights]);
  return openClient(redis.url.replace('//', '//proxy:secret@'));
}

it.each<[what: string, fail: () => Promise<void> | void, heal: () => Promise<void> | void]>([
  ['killed', () => redis.kill(), () => redis.restart()],
  ['frozen', () => redis.freeze(), () => redis.thaw()],
])('keeps what it knew while Redis is %s, and tells the others of its changes later', async (_, fail, heal) => {
  const [one, other] = await startTwo();
  const gone: string[] = [];
  for (const proxy of [one, other]) proxy.on('left', (id) => gone.push(id));
  one.drainHost(nameOf(0));
  await fleet.until('the other knows', [other], () => drains(other)[0]);
  await fail();
  one.drainHost(nameOf(1));
  one.undrainHost(nameOf(0));
  expect([drains(one), drains(other)]).toEqual([[false, true], [true, false]]);
  expect(one.fleet.members).toHaveLength(2);
  await heal();
  await until('the other knows it too', () => drains(other).join() === 'false,true');
  expect(drains(one)).toEqual([false, true]);
  expect(gone).toEqual([]);
});

it('opens sessions while Redis is frozen, and knows how long it has heard of nobody', async () => {
  const { proxy, url } = await startMember();
  redis.freeze();
  const sid = await handshake(url);
  expect((await request(pollUrl(url, sid), { method: 'POST', body: '3' })).status).toBe(200);
  await until('a beat is due', () => Number(proxy.fleet.members[0]?.seenAgo) > 2);
  const closed = once(proxy, 'close');
  await proxy.close();
  await closed;
  redis.thaw();
});

describe('an operator is told the truth', () => {
  const operate = async (client: TestClient): Promise<Operated> =>
    operatedBefore(hosts, { redisClient: client, fleet: true, storeTimeout: 200 });
  const wait = ({ ask }: Operated): Promise<Reply> => ask(`GET ${pathOf(nameOf(0))}?wait=drained&timeout=1`);

  it('while Redis does not answer: nobody knows what other proxies have', async () => {
    const one = await operate(await openClient(redis.url));
    const other = await startMember();
    await fleet.until('they know each other', [one], () => one.proxy.fleet.members.length === 2);
    expect(one.proxy.fleet).toMatchObject({ reached: true, refused: false });
    redis.freeze();
    await until('a beat is late', () => !one.proxy.fleet.reached);
    expect((await one.ask('GET /metrics')).body).toContain('\nsocketio_proxy_fleet_reached 0\n');
    const removal = await one.ask(`DELETE ${pathOf(nameOf(0))}`);
    expect([removal.status, removal.body]).toEqual([409, expect.stringContaining('Redis does not answer the fleet')]);
    one.proxy.drainHost(nameOf(0));
    const late = await wait(one);
    expect([late.status, late.body]).toEqual([504, expect.stringContaining('; Redis does not answer the fleet')]);
    redis.thaw();
    await until('it answers again', () => one.proxy.fleet.reached);
    expect((await one.ask('GET /metrics')).body).toContain('\nsocketio_proxy_fleet_reached 1\n');
    await fleet.until('it is drained', [other, one], () => one.proxy.hosts[0]?.drained === true);
    expect((await wait(one)).status).toBe(200);
  });

  it('while Redis refuses: a deploy script must not take this proxy for all', async () => {
    const one = await operate(await userWith());
    await until('it is refused', () => one.proxy.fleet.refused);
    const drained = once(one.proxy, 'drained');
    one.proxy.drainHost(nameOf(0));
    await drained;
    const blind = await wait(one);
    expect([blind.status, blind.body]).toEqual([503, expect.stringContaining('Redis refuses it the fleet')]);
    one.proxy.drainHost(nameOf(1), { scope: 'proxy' });
    await until('it is drained here', () => one.proxy.hosts[1]?.drained === true);
    expect((await one.ask(`GET ${pathOf(nameOf(1))}?wait=drained&timeout=1`)).status).toBe(200);
    // It removes the host for itself alone.
    expect((await one.ask(`DELETE ${pathOf(nameOf(0))}`)).status).toBe(204);
  });

  it('while Redis does not answer, also of a host that had been drained before', async () => {
    const one = await operate(await openClient(redis.url));
    const other = await startMember();
    await fleet.until('they know each other', [one], () => one.proxy.fleet.members.length === 2);
    const drained = once(one.proxy, 'drained');
    one.proxy.drainHost(nameOf(0));
    await fleet.hear(drained, other, one);
    redis.freeze();
    const removal = await one.ask(`DELETE ${pathOf(nameOf(0))}`);
    expect([removal.status, removal.body]).toEqual([409, expect.stringContaining('Redis does not answer the fleet')]);
    const late = await wait(one);
    expect([late.status, late.body]).toEqual([504, expect.stringContaining('; Redis does not answer the fleet')]);
    redis.thaw();
    await until('it answers again', () => one.proxy.fleet.reached);
    expect((await one.ask(`DELETE ${pathOf(nameOf(0))}`)).status).toBe(204);
  });
});

describe('a proxy that Redis refuses the fleet', () => {
  it('removes a host for itself alone, also when it is given the rights later', async () => {
    const one = await operatedBefore(hosts, { redisClient: await userWith(), fleet: true });
    await until('it is refused', () => one.proxy.fleet.refused);
    const { proxy: other, url } = await startMember();
    const sockets = await Promise.all(Array.from({ length: 6 }, () => openWebSocket(url)));
    expect((await one.ask(`DELETE ${pathOf(nameOf(0))}`)).status).toBe(204);
    await userWith('+eval', '+time', '+hset', '+hget', '+hgetall', '+hdel', '+pexpire');
    await fleet.together(one, other);
    one.proxy.setWeight(nameOf(1), 7);
    await fleet.until('the other hears of it', [other], () => other.hosts.at(-1)?.weight === 7);
    expect([other.hosts.length, one.proxy.hosts.length]).toEqual([2, 1]);
    expect(sockets.map(({ readyState }) => readyState)).toEqual(sockets.map(({ OPEN }) => OPEN));
  });

  it('begins no rollout, which no other one would follow', async () => {
    const one = await operatedBefore(hosts, { redisClient: await userWith(), fleet: true });
    await until('it is refused', () => one.proxy.fleet.refused);
    const refused = await one.ask('POST /api/rollout', { hosts: ['127.0.0.1:1'] });
    expect([refused.status, refused.body]).toEqual([503, expect.stringContaining('Redis refuses this proxy the fleet')]);
    expect((await one.ask('GET /api/rollout')).body).toBe('null');
    expect(one.proxy.hosts).toHaveLength(2);
  });
});

it('gives the data back to a Redis that was flushed', async () => {
  const [one, other] = await startTwo();
  one.drainHost(nameOf(0), { deadline: 3_600_000 });
  one.setWeight(nameOf(1), 5);
  await fleet.until('the other knows', [other], () => drains(other)[0] === true && other.hosts[1]?.weight === 5);
  await (await openClient(redis.url)).flushAll();
  const { proxy: late } = await startMember();
  await fleet.until('a third knows', [one, other, late], () => drains(late)[0] === true && late.hosts[1]?.weight === 5);
  expect(late.hosts[0]?.drain?.movesIn).toBeGreaterThan(3000);
});

it('says once that it may not, and serves sessions as it does without a fleet', async () => {
  const redisClient = await userWith('+time', '+hset', '+hget', '+hgetall', '+hdel', '+pexpire');
  const texts: string[] = [];
  const proxy = new Class({ redisClient, hosts: hosts.map(({ name }) => name), fleet: true, drainTimeout: 0 });
  onCleanup(() => proxy.close());
  proxy.on('suspicious', (_, found) => texts.push(found));
  const told = once(proxy, 'suspicious') as Promise<[undefined, string]>;
  proxy.listen(0, '127.0.0.1');
  const [host, text] = await told;
  expect(host).toBeUndefined();
  await until('all are up', () => proxy.hosts.every(({ state }) => state === 'up'));
  const url = `http://127.0.0.1:${(proxy.server.address() as AddressInfo).port}`;
  expect(text).toMatch(/^this Redis refuses the fleet: NOPERM .+eval.+docs\/fleet\.md names$/);
  // A change makes the next beat come at once.
  const drained = once(proxy, 'drained');
  proxy.drainHost(nameOf(0));
  expect(await drained).toEqual([nameOf(0)]);
  const sid = await handshake(url);
  expect((await request(pollUrl(url, sid), { method: 'POST', body: '3' })).status).toBe(200);
  expect(texts).toHaveLength(1);
  expect(proxy.fleet).toEqual({
    enabled: true, revision: undefined, reached: false, refused: true, agree: true, members: [],
  });
});

it('counts itself in the metrics where Redis refuses the fleet', async () => {
  const { proxy, ask } = await operatedBefore(hosts, { redisClient: await userWith('+time'), fleet: true });
  expect(proxy.fleet.members).toEqual([]);
  expect((await ask('GET /metrics')).body).toMatch(/^socketio_proxy_fleet_members 1$/m);
});

it('needs the rights that the document names, and no others', async () => {
  const redisClient = await userWith('+eval', '+time', '+hset', '+hget', '+hgetall', '+hdel', '+pexpire');
  const { proxy } = await startMember({ redisClient });
  const { proxy: other } = await startMember();
  await fleet.until('they know each other', [proxy], () => proxy.fleet.members.length === 2);
  proxy.drainHost(nameOf(0));
  await fleet.until('the other knows', [other], () => drains(other)[0]);
  // What was cleared long ago is deleted.
  const admin = await openClient(redis.url);
  const key = '{socket.io-fleet}:state:socket.io#';
  await admin.hSet(key, 'old', '1 x null');
  proxy.undrainHost(nameOf(0));
  await until('it is gone', async () => !await admin.hExists(key, 'old'));
});

it('does not open a client for a proxy that never listened', async () => {
  const client = (await openClient(redis.url)).duplicate();
  await new Class({ redisClient: client, hosts: [nameOf(0)], fleet: true }).close();
  expect(client.isOpen).toBe(false);
});

it('ignores what it cannot use of the data in Redis', async () => {
  const admin = await openClient(redis.url);
  const bad: Record<string, string> = {
    'listed nowhere': '{"weight":1}', 'listed b:1/path': '{}', 'listed c:1': '{"weight":1001}', 'listed d:1': '[]',
    'listed e:1': '"e:1"', [`listed http://${nameOf(0)}`]: '{}', [`weight ${nameOf(0)}`]: '-1', [`weight ${nameOf(1)}`]: '"2"',
    [`drain ${nameOf(0)}`]: '{"draining":true,"movesPerSecond":1e9}', [`drain ${nameOf(1)}`]: '{"draining":"yes"}',
    'drain': '{}', 'else x:1': '1', 'drain f:1': '{', '__proto__ g:1': 'true', 'drain ': '{"draining":true}',
    'listed h:1': '{"weight":3}',
  };
  const key = '{socket.io-fleet}:state:socket.io#';
  for (const [name, value] of Object.entries(bad)) await admin.hSet(key, name, `5 x ${value}`);
  await admin.hSet(key, 'revision', '5 x');
  await admin.hSet('{socket.io-fleet}:members', 'evil', '99999999999999 {"hosts":[[1]],"spelling":7,"interval":1e300}');
  const { proxy } = await startProxy({
    hosts: hosts.map(({ name }) => name), redisClient: await openClient(redis.url), fleet: true,
  });
  await until('it has read', () => proxy.fleet.revision === 5);
  expect(proxy.hosts.map(({ host, weight, draining }) => [host, weight, draining])).toEqual([
    [nameOf(0), 1, false], [nameOf(1), 1, false], ['h:1', 3, false],
  ]);
});
