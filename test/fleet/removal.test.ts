import { once } from 'node:events';
import type Proxy from '../../src';
import { operatedBefore, pathOf, type Operated } from '../support/admin';
import { handshake } from '../support/http';
import type { Started } from '../support/proxy';
import { openClient, uniqueKeyPrefix, type TestClient } from '../support/redis';
import { before, openWebSocket, startSessionHosts, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

const MEMBERS = '{socket.io-fleet}:members';

let redis: TestClient;
let hosts: SessionHost[];
let name: string;
let one: Operated;
let other: Started;
let prefix: string;
let options: Partial<Proxy.PartialProxyOptions>;

beforeEach(async () => {
  redis = await openClient();
  hosts = await startSessionHosts(2);
  [name = ''] = hosts.map((host) => host.name);
  prefix = uniqueKeyPrefix();
  options = { redisClient: redis, keyPrefix: prefix, fleet: true };
  one = await operatedBefore(hosts, options);
  other = await before(hosts, { ...options, balance: () => name, drainTimeout: 0 });
  await until('they know each other', () => [one, other].every(({ proxy }) => proxy.fleet.members.length === 2));
});

const remove = async (query = ''): Promise<unknown> => {
  const { status, body } = await one.ask(`DELETE ${pathOf(name)}${query}`);
  return [status, body === '' ? '' : (JSON.parse(body) as { message: string }).message];
};

const shown = (): number | undefined => one.proxy.hosts[0]?.fleet?.sessions;

describe('a host is not removed without force', () => {
  const remedy = 'drain it first, or cut them with ?force=true';

  it('while a member has a session there', async () => {
    await handshake(other.url);
    await until('it is shown', () => shown() === 1);
    expect(await remove()).toEqual([409, `the host has sessions: ${remedy}`]);
    expect(await remove('?scope=proxy')).toEqual([204, '']);
  });

  it('while one has left whose sessions may come back through others', async () => {
    await handshake(other.url);
    await until('it is shown', () => shown() === 1);
    const left = once(one.proxy, 'left');
    await other.proxy.close();
    const [id] = await left as [string];
    expect(shown()).toBe(0);
    expect(await remove()).toEqual([409, `the host may have sessions of ${id}, gone a short time ago: ${remedy}`]);
    const late = await one.ask(`GET ${pathOf(name)}?wait=drained&timeout=1`);
    expect(late.status).toBe(504);
    expect(await remove('?force=true')).toEqual([204, '']);
  });

  it('while one has vanished that had a WebSocket there, and may be back', async () => {
    await openWebSocket(other.url);
    await until('it is shown', () => shown() === 1);
    const id = String(one.proxy.fleet.members[1]?.id);
    const [, at, record] = /^(\d+) (.*)$/.exec(String(await redis.hGet(MEMBERS, id))) ?? [];
    // As if it had been another one, which fell silent before anybody looked.
    await redis.hSet(MEMBERS, 'ghost', `${Number(at) - 20_000} ${record}`);
    await other.proxy.close();
    await until('it is gone', () => one.proxy.fleet.members.length === 1);
    expect(await remove()).toEqual([409, expect.stringContaining('ghost')]);
    one.proxy.drainHost(name);
    const { status, body } = await one.ask(`GET ${pathOf(name)}?wait=drained&timeout=1`);
    expect([status, body]).toEqual([504, expect.stringMatching(/waits for ghost: gone, with sessions that may go on"/)]);
    await redis.hDel(MEMBERS, 'ghost');
  });

  it('while another one may just have opened a session there, unless it is drained', async () => {
    await until('both see it up', () => one.proxy.hosts[0]?.fleet?.up === 2);
    const { id = '' } = one.proxy.fleet.members[1] ?? {};
    expect(await remove()).toEqual([409, `${id} may just have opened sessions there: ${remedy}`]);
    const drained = once(one.proxy, 'drained');
    one.proxy.drainHost(name);
    expect(await remove()).toEqual([409, `${id} may just have opened sessions there: ${remedy}`]);
    await drained;
    expect(await remove()).toEqual([204, '']);
  });

  it('while this proxy alone has drained it', async () => {
    await until('both see it up', () => one.proxy.hosts[0]?.fleet?.up === 2);
    one.proxy.drainHost(name, { scope: 'proxy' });
    await until('it is drained here', () => one.proxy.hosts[0]?.drained === true);
    const { id = '' } = one.proxy.fleet.members[1] ?? {};
    expect(await remove()).toEqual([409, `${id} may just have opened sessions there: ${remedy}`]);
    expect(await remove('?scope=proxy')).toEqual([204, '']);
  });

  it('but is where it is down at all of them', async () => {
    await hosts[0]?.stop();
    await until('both see it down', () => one.proxy.hosts[0]?.fleet?.down === 2);
    expect(await remove()).toEqual([204, '']);
  });

  it('but is where those that left had nothing there', async () => {
    const left = once(one.proxy, 'left');
    await other.proxy.close();
    await left;
    expect(await remove()).toEqual([204, '']);
  });
});

describe('what another member has just done is known', () => {
  const STATE = '{socket.io-fleet}:state:';

  /** One host is drained, and the other member lets it take sessions again. */
  async function reopen(): Promise<void> {
    const drained = once(one.proxy, 'drained');
    one.proxy.drainHost(name);
    await drained;
    await until('the other drains it', () => other.proxy.hosts[0]?.draining === true);
    other.proxy.undrainHost(name);
    await until('Redis has it', async () => (await redis.hGet(STATE + prefix, `drain ${name}`))?.includes('false'));
  }

  it('before a host is removed', async () => {
    await reopen();
    await openWebSocket(other.url);
    expect(await remove()).toEqual([409, expect.stringContaining('sessions')]);
  });

  it('before a host counts as drained', async () => {
    await reopen();
    expect((await one.ask(`GET ${pathOf(name)}?wait=drained&timeout=1`)).status).toBe(504);
  });
});

it('who waits is not told that a host is drained which is removed by force', async () => {
  await handshake(other.url);
  await until('it is shown', () => shown() === 1);
  const left = once(one.proxy, 'left');
  await other.proxy.close();
  await left;
  one.proxy.drainHost(name);
  const wait = one.ask(`GET ${pathOf(name)}?wait=drained`);
  await until('nobody has a session there', () => shown() === 0);
  expect(await remove('?force=true')).toEqual([204, '']);
  expect((await wait).status).toBe(404);
});

it('those who wait until a host is drained hear it, also where a rollout removes it at once', async () => {
  const second = await operatedBefore(hosts, options);
  await until('all know each other', () => [one, second].every(({ proxy }) => proxy.fleet.members.length === 3));
  const [fresh] = await startSessionHosts(1);
  const waits = [one, second].flatMap(({ ask }) => hosts.map((host) => ask(`GET ${pathOf(host.name)}?wait=drained`)));
  expect((await one.ask('POST /api/rollout', { hosts: [fresh?.name] })).status).toBe(202);
  expect((await Promise.all(waits)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
});
