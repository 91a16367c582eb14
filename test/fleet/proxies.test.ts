import { once } from 'node:events';
import type Proxy from '../../src';
import { startOperated } from '../support/admin';
import { handshake, pollUrl, request } from '../support/http';
import type { ProxyInstance } from '../support/proxy';
import { openClient, uniqueKeyPrefix, type TestClient } from '../support/redis';
import { before, startSessionHosts, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

let hosts: SessionHost[];
let options: Partial<Proxy.PartialProxyOptions>;
let redis: TestClient;

beforeEach(async () => {
  hosts = await startSessionHosts(3);
  redis = await openClient();
  options = { redisClient: redis, keyPrefix: uniqueKeyPrefix(), fleet: true };
});

/** A member that has looked what the fleet has set. Its hosts may be up sooner. */
async function startMember(more: Partial<Proxy.PartialProxyOptions> = {}): Promise<ProxyInstance> {
  const { proxy } = await before(hosts, { ...options, ...more });
  await until('it has looked', () => proxy.fleet.members.length > 0);
  return proxy;
}

const hostOf = (proxy: ProxyInstance, { name }: SessionHost): ProxyInstance['hosts'][number] | undefined =>
  proxy.hosts.find(({ host }) => host === name);

describe('the members of a fleet', () => {
  it('know each other, come and go', async () => {
    const one = await startMember();
    const joined = once(one, 'joined');
    const other = await startMember();
    const [id] = await joined as [string];
    await until('both know both', () => [one, other].every(({ fleet }) => fleet.members.length === 2));
    expect(other.fleet.members[0]).toMatchObject({ id, self: true });
    expect(one.fleet).toMatchObject({
      enabled: true, agree: true, members: [{ self: true, ready: true, workers: 1 }, { id, self: false, agrees: true }],
    });
    const left = once(one, 'left');
    await other.close();
    expect(await left).toEqual([id]);
    expect(one.fleet.members).toHaveLength(1);
  });

  it('notice that one spells its hosts otherwise', async () => {
    const one = await startMember();
    const told = once(one, 'disagree');
    const other = await startMember({ path: '/other/' });
    expect(await told).toEqual([expect.stringMatching(/^[\w.-]+:\d+:[\da-f]{8}$/), 'path']);
    expect(one.fleet).toMatchObject({ agree: false, members: [{ agrees: true }, { agrees: false }] });
    expect(other.fleet.agree).toBe(false);
  });

  it('are none of those who use the same Redis for other hosts, by another prefix', async () => {
    const one = await startMember();
    await before(await startSessionHosts(1), { ...options, keyPrefix: uniqueKeyPrefix() });
    const joined = once(one, 'joined');
    const third = await startMember();
    await joined;
    expect(one.fleet.members).toHaveLength(2);
    expect(third.fleet.agree).toBe(true);
  });
});

it('a proxy agrees that starts with settings which are what the others have come to', async () => {
  const one = await startMember();
  const [first, second, third] = hosts as [SessionHost, SessionHost, SessionHost];
  const [added] = await startSessionHosts(1) as [SessionHost];
  one.addHost(added.name);
  one.removeHost(first.name);
  await before([third, added, second], options);
  // What members compare, once it has stood for a while.
  const digests = async (): Promise<string[]> => {
    const shown = Object.values(await redis.hGetAll('{socket.io-fleet}:members')).map((text) => (
      JSON.parse(text.slice(text.indexOf(' '))) as { spelling: { hosts: string; keyPrefix: string } }
    ));
    return shown.filter(({ spelling }) => spelling.keyPrefix === options.keyPrefix).map(({ spelling }) => spelling.hosts);
  };
  await until('both show the same', async () => {
    const [here, there] = await digests();
    return here !== undefined && here === there;
  });
});

describe('what is set at one member', () => {
  it('holds for all, and for those that start later', async () => {
    const [one, other] = [await startMember(), await startMember()];
    const [first, second, third] = hosts as [SessionHost, SessionHost, SessionHost];
    one.drainHost(first.name, { deadline: 3_600_000, movesPerSecond: 2 });
    one.setWeight(second.name, 7);
    other.removeHost(third.name);
    const [added] = await startSessionHosts(1) as [SessionHost];
    other.addHost(added.name, { weight: 3 });
    const state = (proxy: ProxyInstance): unknown => proxy.hosts.map(({ host, draining, weight }) => [host, draining, weight]);
    const expected = [[first.name, true, 1], [second.name, false, 7], [added.name, false, 3]];
    for (const proxy of [one, other]) await until('all know', () => JSON.stringify(state(proxy)) === JSON.stringify(expected));
    const late = await startMember();
    expect(state(late)).toEqual(expected);
    expect(hostOf(late, first)?.drain).toMatchObject({ movesPerSecond: 2, movesIn: expect.closeTo(3600, -2) as number });

    late.undrainHost(first.name);
    late.addHost(third.name);
    for (const proxy of [one, other]) {
      await until('it is undone', () => hostOf(proxy, first)?.draining === false && hostOf(proxy, third) !== undefined);
    }
  });

  it('is known where a session needs it: on a host that was just added', async () => {
    const [first] = hosts as [SessionHost];
    hosts = [first];
    const [one, other] = [await before(hosts, options), await before(hosts, options)];
    await until('they know each other', () => [one, other].every(({ proxy }) => proxy.fleet.members.length === 2));
    one.proxy.drainHost(first.name, { scope: 'proxy' });
    for (let round = 0; round < 3; round += 1) {
      const [added] = await startSessionHosts(1) as [SessionHost];
      const up = once(one.proxy, 'up');
      one.proxy.addHost(added.name);
      await up;
      const sid = await handshake(one.url);
      expect((await request(pollUrl(other.url, sid), { method: 'POST', body: '3' })).status).toBe(200);
      one.proxy.drainHost(added.name);
    }
  });

  it('is for that one alone where its scope says so', async () => {
    const [one, other] = [await startMember(), await startMember()];
    const [first, second] = hosts as [SessionHost, SessionHost];
    one.drainHost(first.name, { scope: 'proxy' });
    one.drainHost(second.name);
    await until('the other is known', () => hostOf(other, second)?.draining === true);
    expect(hostOf(other, first)?.draining).toBe(false);
    expect(() => one.drainHost(first.name, { scope: 'all' as 'proxy' })).toThrow("'scope' must be 'fleet' or 'proxy', received 'all'");
  });

  it('is not lost with the data of Redis', async () => {
    const [one, other] = [await startMember(), await startMember()];
    const [first, second] = hosts as [SessionHost, SessionHost];
    one.drainHost(first.name);
    await until('the other knows', () => hostOf(other, first)?.draining === true);
    await redis.del(['{socket.io-fleet}:members', `{socket.io-fleet}:state:${options.keyPrefix}`]);
    other.drainHost(second.name);
    await until('the other is known', () => hostOf(one, second)?.draining === true);
    const late = await startMember();
    await until('a third knows both', () => [first, second].every((host) => hostOf(late, host)?.draining));
  });
});

it('is shown by the API, which changes all or one', async () => {
  const one = await startOperated({ hosts: hosts.map(({ name }) => name), ...options });
  const other = await startMember();
  await until('they know each other', () => one.proxy.fleet.members.length === 2);
  const { status, json } = await one.ask('GET /api/fleet');
  expect([status, json()]).toMatchObject([200, {
    enabled: true, agree: true, revision: null, members: [{ self: true, revision: null }, { self: false, sessions: 0 }],
  }]);
  const [first, second] = hosts as [SessionHost, SessionHost];
  const path = (host: SessionHost): string => `/api/hosts/${encodeURIComponent(host.name)}`;
  expect((await one.ask(`PATCH ${path(first)}?scope=proxy`, { state: 'draining' })).status).toBe(200);
  expect((await one.ask(`PATCH ${path(second)}`, { state: 'draining' })).status).toBe(200);
  await until('the other has it', () => hostOf(other, second)?.draining === true);
  expect(hostOf(other, first)?.draining).toBe(false);
  expect((await one.ask(`DELETE ${path(first)}?scope=all`)).json()).toMatchObject({ code: 'INVALID' });
  expect((await one.ask('GET /api/fleet')).json()).toMatchObject({ revision: expect.any(Number) as number });
});
