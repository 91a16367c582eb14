import { once } from 'node:events';
import * as ioredis5 from 'ioredis-5';
import * as ioredis6 from 'ioredis-6';
import * as redis6 from 'redis';
import * as redis2 from 'redis-2';
import * as redis3 from 'redis-3';
import * as redis4 from 'redis-4';
import * as redis5 from 'redis-5';
import { Proxy } from '../../../src';
import { onCleanup } from '../../support/cleanup';
import type { ProxyInstance } from '../../support/proxy';
import { openClient, RedisProcess, uniqueKeyPrefix, type TestClient } from '../../support/redis';
import {
  CLUSTER_FAMILIES, FAMILIES, ofCallbacks, ofIoRedis, ofNodeRedis, opened, SENTINEL_FAMILIES, type Made,
} from '../../support/redis-clients';
import { RedisCluster } from '../../support/redis-cluster';
import { startFailover } from '../../support/redis-failover';
import { RedisSentinel } from '../../support/redis-sentinel';
import { SERVERS } from '../../support/redis-server';
import { startSessionHosts } from '../../support/session-host';
import { until } from '../../support/until';

const host = '127.0.0.1';
const MEMBERS = '{socket.io-fleet}:members';
const STATE = '{socket.io-fleet}:state:';

/** A way to make a client. */
interface Kind {
  name: string;
  make: () => Made;
}

interface Member {
  proxy: ProxyInstance;
  /** What it has told of the fleet. */
  events: string[];
}

/** Two members of one fleet, which nobody else belongs to: it has its own hosts and `keyPrefix`. */
interface Fleet {
  name: string;
  keyPrefix: string;
  hosts: [string, string];
  one: Member;
  other: Member;
}

async function startMember({ client }: Made, keyPrefix: string, hosts: string[]): Promise<Member> {
  // The proxy listens no longer once it is closed, and leaves open what it has not opened.
  client.on('error', () => {});
  const proxy = new Proxy({ redisClient: client, hosts, keyPrefix, fleet: true, drainTimeout: 0, storeTimeout: 500 });
  onCleanup(() => proxy.close());
  const events: string[] = [];
  proxy.on('joined', (id) => events.push(`joined ${id}`)).on('left', (id) => events.push(`left ${id}`));
  proxy.on('disagree', (id) => events.push(`disagree ${id}`));
  proxy.on('suspicious', (suspected, text) => suspected === undefined && events.push(text));
  proxy.listen(0, host);
  await once(proxy, 'listening');
  return { proxy, events };
}

async function startFleet({ name, make }: Kind): Promise<Fleet> {
  const keyPrefix = uniqueKeyPrefix();
  const hosts = (await startSessionHosts(2)).map((each) => each.name) as [string, string];
  const [one, other] = [await startMember(make(), keyPrefix, hosts), await startMember(make(), keyPrefix, hosts)];
  await until(`${name}: both know both`, () => [one, other].every(({ proxy }) => proxy.fleet.members.length === 2));
  return { name, keyPrefix, hosts, one, other };
}

/** Many at once, since each waits for beats. */
const startFleets = (kinds: Kind[]): Promise<Fleet[]> => Promise.all(kinds.map(startFleet));

const idOf = ({ proxy }: Member): string => proxy.fleet.members[0]?.id ?? '';
const drainsOf = ({ proxy }: Member): string => proxy.hosts.map(({ draining }) => draining).join();

/** The members learn of a drain from each other, and one of them leaves before the other. */
async function drainAndLeave({ name, hosts, one, other }: Fleet): Promise<void> {
  const [idOfOne, idOfOther] = [idOf(one), idOf(other)];
  one.proxy.drainHost(hosts[0]);
  await until(`${name}: the drain holds for the other`, () => drainsOf(other) === 'true,false');
  other.proxy.undrainHost(hosts[0]);
  await until(`${name}: its end holds for the one`, () => drainsOf(one) === 'false,false');
  await other.proxy.close();
  await until(`${name}: the other has left`, () => one.events.length > 1);
  await one.proxy.close();
  expect([name, one.events, other.events]).toEqual([name, [`joined ${idOfOther}`, `left ${idOfOther}`], [`joined ${idOfOne}`]]);
}

/** What two members do who have left nothing to be found out: both have said that they leave. */
async function checkFleets(kinds: Kind[], admin: TestClient, membersKey = MEMBERS): Promise<void> {
  const fleets = await startFleets(kinds);
  const ids = fleets.flatMap(({ one, other }) => [idOf(one), idOf(other)]);
  await Promise.all(fleets.map(drainAndLeave));
  const records = await admin.hmGet(membersKey, ids);
  const left = records.map((record) => record?.includes('"left":true'));
  expect(fleets.map(({ name }, i) => [name, ...left.slice(2 * i, 2 * i + 2)])).toEqual(fleets.map(({ name }) => [name, true, true]));
}

/** The drain of each fleet's second host, told while its members could not write, is known to all at last. */
async function expectDrained(fleets: Fleet[]): Promise<void> {
  for (const { name, one, other } of fleets) {
    await until(`${name}: the other knows too`, () => drainsOf(other) === 'true,true');
    await until(`${name}: both know both`, () => [one, other].every(({ proxy }) => proxy.fleet.members.length === 2));
    // Whose record was lost as it could not write may have left for a moment. Nobody was refused.
    const texts = [...one.events, ...other.events].filter((text) => !/^(?:joined|left) [\w.-]+:\d+:[\da-f]{8}$/.test(text));
    expect([name, drainsOf(one), texts]).toEqual([name, 'true,true', []]);
  }
}

/** Drains each fleet's first host everywhere. */
async function drainFirst(fleets: Fleet[]): Promise<void> {
  for (const { hosts, one } of fleets) one.proxy.drainHost(hosts[0]);
  for (const { name, other } of fleets) await until(`${name}: the other knows`, () => drainsOf(other) === 'true,false');
}

const never = (): Promise<unknown> => Promise.resolve();
const kind = (name: string, make: () => Made): Kind => ({ name, make });

/** Clients that answer in another form, or spread commands over several connections. */
function unusual(port: number): Kind[] {
  const url = `redis://${host}:${port}`;
  const typeMapping5 = { [redis5.RESP_TYPES.BLOB_STRING]: Buffer, [redis5.RESP_TYPES.NUMBER]: String };
  const typeMapping6 = { [redis6.RESP_TYPES.BLOB_STRING]: Buffer, [redis6.RESP_TYPES.NUMBER]: String };
  return [
    kind('redis 2 with return_buffers', () => ofCallbacks(redis2.createClient(port, host, { return_buffers: true }))),
    kind('redis 3 with return_buffers', () => ofCallbacks(redis3.createClient(port, host, { return_buffers: true }))),
    kind('redis 4 in database 1', () => ofNodeRedis(redis4.createClient({ url, database: 1 }), never)),
    kind('redis 5 with typeMapping', () =>
      ofNodeRedis(redis5.createClient({ url, commandOptions: { typeMapping: typeMapping5 } }), never)),
    kind('redis 6 with typeMapping', () =>
      ofNodeRedis(redis6.createClient({ url, commandOptions: { typeMapping: typeMapping6 } }), never)),
    kind('redis 6 with protocol 2', () => ofNodeRedis(redis6.createClient({ url, RESP: 2 }), never)),
    kind('ioredis 5 with stringNumbers', () => ofIoRedis(new ioredis5.Redis(port, host, { stringNumbers: true }))),
    kind('ioredis 6 with enableAutoPipelining', () => ofIoRedis(new ioredis6.Redis(port, host, { enableAutoPipelining: true }))),
    kind('a pool of redis 5', () => ofNodeRedis(redis5.createClientPool({ url }), never)),
    kind('a pool of redis 6', () => ofNodeRedis(redis6.createClientPool({ url }), never)),
  ];
}

/** Clients that put a prefix of their own before all keys. */
function prefixing(port: number, prefix: string): Kind[] {
  const url = `redis://${host}:${port}`;
  return [
    kind('redis 2', () => ofCallbacks(redis2.createClient(port, host, { prefix }))),
    kind('redis 3', () => ofCallbacks(redis3.createClient(port, host, { prefix }))),
    kind('redis 6', () => ofNodeRedis(redis6.createClient({ url, keyPrefix: prefix }), never)),
    kind('ioredis 5', () => ofIoRedis(new ioredis5.Redis(port, host, { keyPrefix: prefix }))),
    kind('ioredis 6', () => ofIoRedis(new ioredis6.Redis(port, host, { keyPrefix: prefix }))),
  ];
}

function prefixingClusters(ports: number[], keyPrefix: string): Kind[] {
  const nodes = ports.map((port) => ({ host, port }));
  return [
    kind('ioredis 5', () => ofIoRedis(new ioredis5.Cluster(nodes, { keyPrefix }))),
    kind('ioredis 6', () => ofIoRedis(new ioredis6.Cluster(nodes, { keyPrefix }))),
  ];
}

describe.each(SERVERS)('on %s, members of a fleet', (program) => {
  let redis: RedisProcess;
  let admin: TestClient;

  beforeAll(async () => {
    redis = await RedisProcess.start([], { program });
    admin = await openClient(redis.url);
  });

  it('meet, drain and leave with a client of every family', async () => {
    await checkFleets(FAMILIES.map(({ name, make }) => kind(name, () => make(redis.port))), admin);
  });

  it('meet with a client that was open before, and leave it open', async () => {
    await Promise.all(FAMILIES.map(async ({ name, make }) => {
      const mades = [await opened(make(redis.port)), await opened(make(redis.port))];
      const [first, second] = mades;
      const fleet = await startFleet(kind(name, () => mades.shift() ?? make(redis.port)));
      await drainAndLeave(fleet);
      expect([name, first?.isOpen(), await first?.ping(), second?.isOpen()]).toEqual([name, true, 'PONG', true]);
    }));
  });

  it('meet with pools, and with clients whose answers have another form', async () => {
    const kinds = unusual(redis.port);
    const inAnother = (name: string): boolean => name.includes('database 1');
    await checkFleets(kinds.filter(({ name }) => !inAnother(name)), admin);
    await admin.select(1);
    await checkFleets(kinds.filter(({ name }) => inAnother(name)), admin).finally(() => admin.select(0));
  });

  it('meet where their clients have the same prefix before all keys, and only there', async () => {
    const prefix = uniqueKeyPrefix();
    const kinds = prefixing(redis.port, prefix);
    const fleets = await startFleets(kinds);
    const unprefixed = (): Made => ofNodeRedis(redis6.createClient({ url: redis.url }), never);
    const without = await Promise.all(fleets.map(({ keyPrefix, hosts }) => startMember(unprefixed(), keyPrefix, hosts)));
    for (const { hosts, one } of fleets) one.proxy.drainHost(hosts[0]);
    // Its own drain tells that it has its say, in a fleet of its own.
    without.forEach(({ proxy }, i) => proxy.drainHost(fleets[i]?.hosts[1] ?? ''));
    const states = (outer: string): string[] => fleets.map(({ keyPrefix }) => outer + STATE + keyPrefix);
    await until('all is written', async () => await admin.exists([...states(prefix), ...states('')]) === 2 * fleets.length);
    for (const { name, other } of fleets) await until(`${name}: the other knows`, () => drainsOf(other) === 'true,false');
    expect(without.map((member) => [drainsOf(member), member.proxy.fleet.members.length])).toEqual(fleets.map(() => ['false,true', 1]));
    expect(fleets.map(({ other }) => other.proxy.fleet.members.length)).toEqual(fleets.map(() => 2));
    const ids = fleets.flatMap(({ one, other }) => [idOf(one), idOf(other)]);
    expect(await admin.hmGet(prefix + MEMBERS, ids)).not.toContain(null);
    expect(new Set(await admin.hmGet(MEMBERS, ids))).toEqual(new Set([null]));
  });

  it('follow a failover that leaves the connections open', async () => {
    const { relay, toNew, switchOver } = await startFailover([], program);
    const fleets = await startFleets(FAMILIES.map(({ name, make }) => kind(name, () => make(relay.port))));
    await drainFirst(fleets);
    await switchOver();
    await toNew.flushAll();
    for (const { hosts, one } of fleets) one.proxy.drainHost(hosts[1]);
    await expectDrained(fleets);
  });
});

describe.each(SERVERS)('on a cluster of %s, members of a fleet', (program) => {
  let cluster: RedisCluster;
  const kinds = (): Kind[] => CLUSTER_FAMILIES.map(({ name, make }) => kind(name, () => make(cluster.ports)));

  beforeAll(async () => {
    cluster = await RedisCluster.start(program);
  });

  it('meet, drain and leave with a client of every family, by keys in one slot', async () => {
    const { owner, slot } = await cluster.slotOf(MEMBERS);
    await checkFleets(kinds(), owner.admin);
    const keys = await owner.admin.keys('{socket.io-fleet}*');
    expect(keys).toHaveLength(1 + CLUSTER_FAMILIES.length);
    expect(await owner.admin.sendCommand(['CLUSTER', 'COUNTKEYSINSLOT', String(slot)])).toBe(keys.length);
  });

  it.each(['outer:', '{outer}:'])('meet where their clients have the same prefix %s before all keys', async (prefix) => {
    const { owner } = await cluster.slotOf(prefix + MEMBERS);
    await checkFleets(prefixingClusters(cluster.ports, prefix), owner.admin, prefix + MEMBERS);
  });

  it('follow their slot to another node', async () => {
    const [fleets, fresh] = [await startFleets(kinds()), await startFleets(kinds())];
    await drainFirst(fleets);
    const { finish } = await cluster.move(MEMBERS);
    for (const { hosts, one } of [...fleets, ...fresh]) one.proxy.drainHost(hosts[1]);
    await expectDrained(fleets);
    // While a slot moves, Redis refuses what needs both a key that is there and one that is not.
    expect(fresh.map(({ other }) => drainsOf(other))).toEqual(fresh.map(() => 'false,false'));
    await finish();
    for (const { hosts, one } of fresh) one.proxy.drainHost(hosts[0]);
    await expectDrained(fresh);
  });

  it('keep what they knew while their node is down, and give it back to one that is empty', async () => {
    const fleets = await startFleets(kinds());
    await drainFirst(fleets);
    const { owner } = await cluster.slotOf(MEMBERS);
    await owner.redis.kill();
    for (const { hosts, one } of fleets) one.proxy.drainHost(hosts[1]);
    expect(fleets.map(({ one, other }) => [drainsOf(one), drainsOf(other)])).toEqual(fleets.map(() => ['true,true', 'true,false']));
    await cluster.restart(owner);
    await expectDrained(fleets);
    for (const { name, keyPrefix, hosts: [first] } of fleets) {
      await until(`${name}: the first drain is written again`, () => owner.admin.hExists(STATE + keyPrefix, `drain ${first}`));
    }
  });
});

describe.each(SERVERS)('with Sentinel over %s, members of a fleet', (program) => {
  it('meet, drain and leave with a client of every family, and go on through a failover', async () => {
    const sentinel = await RedisSentinel.start(program);
    const kinds = SENTINEL_FAMILIES.map(({ name, make }) => kind(name, () => make(sentinel.port)));
    await checkFleets(kinds, await openClient(sentinel.primary.url));
    const toReplica = await openClient(sentinel.replica.url);
    const fleets = await startFleets(kinds);
    await drainFirst(fleets);
    await sentinel.primary.kill();
    for (const { hosts, one } of fleets) one.proxy.drainHost(hosts[1]);
    // A Sentinel closes the connections of one that it promotes, also one with a question under way.
    const roleOf = (): Promise<string> => toReplica.info('replication').catch(() => '');
    await until('the replica has taken over', async () => (await roleOf()).includes('role:master'));
    await expectDrained(fleets);
    expect(await toReplica.exists(fleets.map(({ keyPrefix }) => STATE + keyPrefix))).toBe(fleets.length);
  });
});
