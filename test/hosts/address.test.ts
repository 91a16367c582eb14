import { once } from 'node:events';
import net from 'node:net';
import type { PartialProxyOptions } from '../../src';
import { Host } from '../../src/hosts/host';
import { Hosts } from '../../src/hosts/hosts';
import { onCleanup } from '../support/cleanup';
import { stopClock, type Clock } from '../support/clock';
import { handshake, pollUrl, request, startServer } from '../support/http';
import { standForNames, type Names } from '../support/names';
import { startProxy, type Started } from '../support/proxy';
import { before, openWebSocket, startSessionHost, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

const NAME = 'chat.example';

/** Longer than an answer of DNS counts as new, in ms. */
const OLD = 31_000;

/** Each request needs a connection of its own. */
const options: PartialProxyOptions = { hostKeepAlive: 0, checkInterval: 500, checkTimeout: 400 };

let clock: Clock;

beforeEach(() => {
  clock = stopClock();
});

interface Named extends Started {
  name: string;
  names: Names;
  /** What the proxy has told of. */
  told: unknown[][];
}

/** A proxy before a name that stands for machines, of which each is an address of this one. */
async function startNamed(hosts: readonly { port: number }[], addresses: string[], more: PartialProxyOptions = {}): Promise<Named> {
  const names = standForNames({ [NAME]: addresses });
  const name = `${NAME}:${hosts[0]?.port}`;
  const told: unknown[][] = [];
  const started = await startProxy({ ...options, hosts: [name], ...more });
  for (const event of ['down', 'suspicious'] as const) started.proxy.on(event, (...args: unknown[]) => told.push([event, ...args]));
  await until('it is up', () => started.proxy.hosts[0]?.state === 'up');
  return { ...started, name, names, told };
}

/** Machines that have one port: 127.0.0.1 and those that follow. */
async function startMachines(count: number): Promise<SessionHost[]> {
  const first = await startSessionHost();
  const others = Array.from({ length: count - 1 }, (_, at) => startSessionHost(undefined, { host: `127.0.0.${at + 2}`, port: first.port }));
  return [first, ...await Promise.all(others)];
}

async function post(url: string, sid: string): Promise<number> {
  return (await request(pollUrl(url, sid), { method: 'POST', body: '2' })).status;
}

/** Lets time pass, a little at a time, as sockets answer in real time. */
async function pass(ms: number): Promise<void> {
  let over = false;
  setTimeout(() => over = true, ms);
  await clock.advanceUntil('the time is over', () => over, 100);
}

describe('while its name cannot be looked up', () => {
  it.each(['EAI_AGAIN', 'ENOTFOUND', 'EAI_FAIL', 'EAI_NODATA', 'ESOMETHING'] as const)('a host keeps its address: %s', async (code) => {
    const host = await startSessionHost();
    const { url, name, names, told } = await startNamed([host], ['127.0.0.1']);
    const sid = await handshake(url);
    names.table[NAME] = code;
    const before = names.asked.length;
    await pass(OLD);
    expect(names.asked.length).toBeGreaterThan(before);
    expect(await post(url, sid)).toBe(200);
    expect(await handshake(url)).toMatch(/-1$/);
    expect(told).toEqual([]);
    // Only a connection says anything of it.
    await host.stop();
    await until('it is down', async () => {
      await clock.advance(100);
      return told.length > 0;
    });
    expect(told).toEqual([['down', name, 'refused']]);
    await host.start({ port: host.port, host: '127.0.0.1' });
    await clock.advanceUntil('it is up', async () => (await request(`${url}/socket.io/?EIO=4&transport=polling`)).status === 200, 100);
  });

  it('a host is unreachable that has never had an address, and up as soon as it has', async () => {
    const host = await startSessionHost();
    const names = standForNames({ [NAME]: 'EAI_FAIL' });
    const { proxy } = await startProxy({ ...options, hosts: [`${NAME}:${host.port}`] });
    await once(proxy, 'down');
    expect(proxy.hosts).toMatchObject([{ downReason: 'unreachable' }]);
    names.table[NAME] = ['127.0.0.1'];
    await clock.advanceUntil('it is up', () => proxy.hosts[0]?.state === 'up', 100);
  });
});

it('looks a name up in the background, and never for a connection', async () => {
  const host = await startSessionHost();
  const { url, names } = await startNamed([host], ['127.0.0.1']);
  await until('the look-up of the first check is over', () => names.asked.length === 1);
  const sid = await handshake(url);
  for (let i = 0; i < 10; i += 1) expect(await post(url, sid)).toBe(200);
  await openWebSocket(url);
  expect(names.asked).toHaveLength(1);
  names.table[NAME] = 'silence';
  await pass(OLD);
  expect(names.asked).toHaveLength(2);
  expect(await post(url, sid)).toBe(200);
  expect(await handshake(url)).toMatch(/-2$/);
  // Neither do checks wait for it.
  await pass(OLD);
  expect(names.asked).toHaveLength(2);
});

it('looks up one name at a time, and no address', async () => {
  const host = await startSessionHost();
  const names = standForNames(Object.fromEntries(['a', 'b', 'c'].map((name) => [`${name}.example`, ['127.0.0.1']])));
  const named = Object.keys(names.table).map((name) => ({ name: `${name}:${host.port}` }));
  await before([...named, host], options);
  await until('each is looked up', () => names.asked.length === 3);
  for (const name of Object.keys(names.table)) names.table[name] = 'silence';
  await pass(OLD);
  expect(names.asked).toHaveLength(4);
});

describe('a name with several addresses', () => {
  it('has all connections go to one of them, and says once what to do instead', async () => {
    const machines = await startMachines(3);
    const { proxy, url, name, names, told } = await startNamed(machines, ['127.0.0.3', '127.0.0.1', '127.0.0.2']);
    for (let i = 0; i < 5; i += 1) {
      const sid = await handshake(url);
      expect(await post(url, sid)).toBe(200);
      await openWebSocket(url);
      // DNS servers change the order.
      names.table[NAME] = [...(names.table[NAME] as string[])].sort(() => (i % 2 === 0 ? 1 : -1)).reverse();
      await pass(OLD);
    }
    expect(machines.map(({ sids }) => sids.length)).toEqual([10, 0, 0]);
    expect(told).toEqual([['suspicious', name, expect.any(String)]]);
    const text = String(told[0]?.[2]);
    for (const part of ['3 addresses', '127.0.0.1, 127.0.0.2, 127.0.0.3', `'dns:${NAME}:${machines[0]?.port}'`, '--discover']) {
      expect(text).toContain(part);
    }
    const before = machines[0]?.sids.at(-1) ?? '';
    expect(await proxy.endSession(before)).toBe('ended');
  });

  it('is the same for every proxy', async () => {
    const machines = await startMachines(3);
    for (const addresses of [['127.0.0.2', '127.0.0.1', '127.0.0.3'], ['127.0.0.3', '127.0.0.2', '127.0.0.1']]) {
      const { url } = await startNamed(machines, addresses);
      await handshake(url);
    }
    expect(machines.map(({ sids }) => sids.length)).toEqual([2, 0, 0]);
  });

  it('goes on at the next one where the one in use refuses, without the sessions that were there', async () => {
    const machines = await startMachines(3);
    const { proxy, url, name, told } = await startNamed(machines, ['127.0.0.1', '127.0.0.2', '127.0.0.3']);
    const lost = await handshake(url);
    told.length = 0;
    await machines[0]?.stop();
    await clock.advanceUntil('it is down', () => told.length > 0, 100);
    expect(told).toEqual([['down', name, 'refused']]);
    expect(proxy.hosts).toMatchObject([{ sessions: 0 }]);
    await clock.advanceUntil('it is up', () => proxy.hosts[0]?.state === 'up', 100);
    const sid = await handshake(url);
    expect(await post(url, sid)).toBe(200);
    // It stays there when the first is back.
    await machines[0]?.start({ port: machines[0].port, host: '127.0.0.1' });
    await pass(OLD);
    await handshake(url);
    expect(machines.map(({ sids }) => sids.length)).toEqual([1, 2, 0]);
    expect(await post(url, lost)).toBe(200);
    expect(told).toHaveLength(1);
  });

  it('goes on at the next one where the one in use is silent, once the sessions there are lost', async () => {
    const machines = await startMachines(2);
    const { proxy, url, name, told } = await startNamed(machines, ['127.0.0.1', '127.0.0.2']);
    await handshake(url);
    told.length = 0;
    const checks: string[] = [];
    machines.forEach((machine, at) => machine.on('check', () => checks.push(`machine ${at}`)));
    // As if its process stood still: what is asked is not answered.
    if (machines[0]) machines[0].health = 'silence';
    await clock.advanceUntil('it is down', () => told.length > 0, 100);
    expect(told).toEqual([['down', name, 'silent']]);
    await pass(18_000);
    expect(new Set(checks)).toEqual(new Set(['machine 0']));
    expect(proxy.hosts).toMatchObject([{ state: 'down', sessions: 1 }]);
    await clock.advanceUntil('it is up', () => proxy.hosts[0]?.state === 'up', 100);
    expect(proxy.hosts).toMatchObject([{ sessions: 0 }]);
    await handshake(url);
    expect(machines.map(({ sids }) => sids.length)).toEqual([1, 1]);
  });
});

describe('connections that are made at the same time', () => {
  /** A host of which nothing is known yet, and a way to connect to one of its addresses. */
  async function unknownHost(): Promise<{ hosts: Hosts; host: Host; connect: (address: string) => Promise<net.Socket> }> {
    const [{ port }] = await startMachines(2) as [SessionHost, SessionHost];
    standForNames({ [NAME]: ['127.0.0.1', '127.0.0.2'] });
    const host = new Host(`${NAME}:${port}`);
    const hosts = new Hosts([host], { unhealthyAfter: 1, healthyAfter: 1, balance: 'random', slowStart: 0, maxSessions: undefined });
    await host.address.refresh(false);
    const connect = async (address: string): Promise<net.Socket> => {
      const socket = net.connect({ host: address, port }).on('error', () => {});
      onCleanup(() => socket.destroy());
      host.address.watch(socket);
      await once(socket, 'connect');
      return socket;
    };
    return { hosts, host, connect };
  }

  it('go to the address of the first that is made; another ends before it is used', async () => {
    const { host, connect } = await unknownHost();
    const [first, second] = await Promise.all([connect('127.0.0.2'), connect('127.0.0.1')]);
    expect([first.destroyed, second.destroyed].sort()).toEqual([false, true]);
    expect(host.address.used).toBe(first.destroyed ? '127.0.0.1' : '127.0.0.2');
  });

  it('say nothing of a host by failing at an address that it no longer has', async () => {
    const { hosts, host, connect } = await unknownHost();
    hosts.report(host, undefined);
    await connect('127.0.0.2');
    const refusal = (address: string): Error => Object.assign(new Error('refused'), { code: 'ECONNREFUSED', address });
    hosts.unreached(host, refusal('127.0.0.1'), 1000);
    expect(host.up).toBe(true);
    hosts.unreached(host, refusal('127.0.0.2'), 1000);
    expect(host.downReason).toBe('refused');
  });
});

it('takes either family of a name, without a word', async () => {
  const { port } = await startServer((_, res) => res.writeHead(400).end('{"code":0,"message":"Transport unknown"}'));
  const { told, url } = await startNamed([{ port }], ['::1', '127.0.0.1']);
  expect((await request(`${url}/socket.io/?EIO=4&transport=polling`)).status).toBe(400);
  await pass(OLD);
  expect(told).toEqual([]);
});

describe('a name that gets another address', () => {
  it('goes there once nothing is left at the old one, which is told', async () => {
    const machines = await startMachines(2);
    const { proxy, url, name, names, told } = await startNamed(machines, ['127.0.0.1']);
    const sid = await handshake(url);
    names.table[NAME] = ['127.0.0.2'];
    await pass(OLD);
    expect(await post(url, sid)).toBe(200);
    await handshake(url);
    expect(told).toEqual([['suspicious', name, expect.stringContaining(`${NAME} now stands for 127.0.0.2`)]]);
    expect(machines.map(({ sids }) => sids.length)).toEqual([2, 0]);
    for (const each of machines[0]?.sids ?? []) expect(await proxy.endSession(each)).toBe('ended');
    await pass(OLD);
    await handshake(url);
    expect(machines.map(({ sids }) => sids.length)).toEqual([2, 1]);
  });

  it('goes there at once where the old one does not answer', async () => {
    const machines = await startMachines(2);
    const { proxy, url, name, names, told } = await startNamed(machines, ['127.0.0.1']);
    await handshake(url);
    names.table[NAME] = ['127.0.0.2'];
    if (machines[0]) machines[0].health = 'silence';
    await clock.advanceUntil('it is down', () => told.length > 0, 100);
    const passed = await clock.advanceUntil('it is up', () => proxy.hosts[0]?.state === 'up', 100);
    expect(passed).toBeLessThan(5000);
    expect(told).toEqual([['down', name, 'silent']]);
    await handshake(url);
    expect(machines.map(({ sids }) => sids.length)).toEqual([1, 1]);
  });
});
