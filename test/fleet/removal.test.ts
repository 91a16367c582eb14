import { once } from 'node:events';
import { operatedBefore, pathOf, type Operated } from '../support/admin';
import { TestFleet } from '../support/fleet';
import { handshake } from '../support/http';
import type { Started } from '../support/proxy';
import { before, openWebSocket, startSessionHosts, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

const MEMBERS = '{socket.io-fleet}:members';

let fleet: TestFleet;
let hosts: SessionHost[];
let name: string;
let one: Operated;
let other: Started;

beforeEach(async () => {
  fleet = await TestFleet.start();
  hosts = await startSessionHosts(2);
  [name = ''] = hosts.map((host) => host.name);
  one = await operatedBefore(hosts, fleet.options);
  other = await before(hosts, { ...fleet.options, balance: () => name, drainTimeout: 0 });
  await fleet.together(one, other);
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
    await fleet.until('it is shown', [other, one], () => shown() === 1);
    expect(await remove()).toEqual([409, `the host has sessions: ${remedy}`]);
    expect(await remove('?scope=proxy')).toEqual([204, '']);
  });

  it('while one has left whose sessions may come back through others', async () => {
    await handshake(other.url);
    await fleet.until('it is shown', [other, one], () => shown() === 1);
    const left = once(one.proxy, 'left');
    await other.proxy.close();
    const [id] = await fleet.hear(left, one) as [string];
    expect(shown()).toBe(0);
    expect(await remove()).toEqual([409, `the host may have sessions of ${id}, gone a short time ago: ${remedy}`]);
    const late = await one.ask(`GET ${pathOf(name)}?wait=drained&timeout=1`);
    expect(late.status).toBe(504);
    expect(await remove('?force=true')).toEqual([204, '']);
  });

  it('while one has vanished that had a WebSocket there, and may be back', async () => {
    await openWebSocket(other.url);
    await fleet.until('it is shown', [other, one], () => shown() === 1);
    const id = String(one.proxy.fleet.members[1]?.id);
    const [, at, record] = /^(\d+) (.*)$/.exec(String(await fleet.redis.hGet(MEMBERS, id))) ?? [];
    // As if it had been another one, which fell silent before anybody looked.
    await fleet.redis.hSet(MEMBERS, 'ghost', `${Number(at) - 20_000} ${record}`);
    await other.proxy.close();
    await fleet.until('it is gone', [one], () => one.proxy.fleet.members.length === 1);
    expect(await remove()).toEqual([409, expect.stringContaining('ghost')]);
    one.proxy.drainHost(name);
    const { status, body } = await one.ask(`GET ${pathOf(name)}?wait=drained&timeout=1`);
    expect([status, body]).toEqual([504, expect.stringMatching(/waits for ghost: gone, with sessions that may go on"/)]);
    await fleet.redis.hDel(MEMBERS, 'ghost');
  });

  it('while another one may just have opened a session there, unless it is drained', async () => {
    await fleet.until('both see it up', [other, one], () => one.proxy.hosts[0]?.fleet?.up === 2);
    const { id = '' } = one.proxy.fleet.members[1] ?? {};
    expect(await remove()).toEqual([409, `${id} may just have opened sessions there: ${remedy}`]);
    const drained = once(one.proxy, 'drained');
    one.proxy.drainHost(name);
    expect(await remove()).toEqual([409, `${id} may just have opened sessions there: ${remedy}`]);
    await fleet.hear(drained, other, one);
    expect(await remove()).toEqual([204, '']);
  });

  it('while this proxy alone has drained it', async () => {
    await fleet.until('both see it up', [other, one], () => one.proxy.hosts[0]?.fleet?.up === 2);
    one.proxy.drainHost(name, { scope: 'proxy' });
    await until('it is drained here', () => one.proxy.hosts[0]?.drained === true);
    const { id = '' } = one.proxy.fleet.members[1] ?? {};
    expect(await remove()).toEqual([409, `${id} may just have opened sessions there: ${remedy}`]);
    expect(await remove('?scope=proxy')).toEqual([204, '']);
  });

  it('but is where it is down at all of them', async () => {
    await hosts[0]?.stop();
    await fleet.until('both see it down', [other, one], () => one.proxy.hosts[0]?.fleet?.down === 2);
    expect(await remove()).toEqual([204, '']);
  });

  it('but is where those that left had nothing there', async () => {
    const left = once(one.proxy, 'left');
    await other.proxy.close();
    await fleet.hear(left, one);
    expect(await remove()).toEqual([204, '']);
  });
});

describe('what another member has just done is known', () => {
  const STATE = '{socket.io-fleet}:state:';

  /** One host is drained, and the other member lets it take sessions again. */
  async function reopen(): Promise<void> {
    const drained = once(one.proxy, 'drained');
    one.proxy.drainHost(name);
    await fleet.hear(drained, other, one);
    await fleet.until('the other drains it', [other], () => other.proxy.hosts[0]?.draining === true);
    other.proxy.undrainHost(name);
    await until('Redis has it', async () => (await fleet.redis.hGet(STATE + fleet.keyPrefix, `drain ${name}`))?.includes('false'));
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
  await fleet.until('it is shown', [other, one], () => shown() === 1);
  const left = once(one.proxy, 'left');
  await other.proxy.close();
  await fleet.hear(left, one);
  one.proxy.drainHost(name);
  const wait = one.ask(`GET ${pathOf(name)}?wait=drained`);
  await fleet.until('nobody has a session there', [one], () => shown() === 0);
  expect(await remove('?force=true')).toEqual([204, '']);
  expect((await wait).status).toBe(404);
});

it('those who wait until a host is drained hear it, also where a rollout removes it at once', async () => {
  const second = await operatedBefore(hosts, fleet.options);
  await fleet.together(one, other, second);
  const [fresh] = await startSessionHosts(1);
  const waits = [one, second].flatMap(({ ask }) => hosts.map((host) => ask(`GET ${pathOf(host.name)}?wait=drained`)));
  expect((await one.ask('POST /api/rollout', { hosts: [fresh?.name] })).status).toBe(202);
  expect((await fleet.hear(Promise.all(waits), one, other, second)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
});
