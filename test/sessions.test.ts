import { once } from 'node:events';
import { MemoryStore } from '../src';
import type Proxy from '../src';
import { Clients } from './support/clients';
import { startHost, startHosts, type HostProcess } from './support/hosts';
import { handshake, pollUrl, request } from './support/http';
import { startProxy, type ProxyInstance, type Started } from './support/proxy';
import { PythonFixture } from './support/python';
import { openClient, uniqueKeyPrefix } from './support/redis';
import { before, openWebSocket, startSessionHost } from './support/session-host';
import { until } from './support/until';

const UNKNOWN = { status: 400, body: '{"code":1,"message":"Session ID unknown"}' };

const refusalsOf = async (proxy: ProxyInstance): Promise<Record<string, number>> => (await proxy.operations.totals()).refusals;

/** Two proxies that share a Redis, before the same hosts. */
async function startTwo(hosts: HostProcess[], options: Partial<Proxy.ProxyOptions> = {}): Promise<[Started, Started]> {
  const keyPrefix = uniqueKeyPrefix();
  const one = async (): Promise<Started> => {
    return startProxy({ hosts: hosts.map(({ name }) => name), redisClient: await openClient(), keyPrefix, ...options });
  };
  return Promise.all([one(), one()]);
}

describe('findSession', () => {
  it('tells what carries a session that it knows, for how long it has been known, and when it expires', async () => {
    const host = await startSessionHost(45_000);
    const { proxy, url } = await before([host], { keyExpiry: 30 });
    const sid = await handshake(url);
    const report = { sid, host: host.name, from: 'cache' };
    // Its handshake is over once its client has heard so.
    await until('no request is open', () => proxy.hosts[0]?.requests === 0);
    const found = await proxy.findSession(sid);
    expect(found).toMatchObject({ ...report, transport: undefined, open: 0 });
    const { age = NaN, expiresIn = NaN } = found as Proxy.SessionReport;
    expect(age + expiresIn).toBeCloseTo(60, 0);
    const [poll] = [request(pollUrl(url, sid)), await once(host, 'poll')];
    expect(await proxy.findSession(sid)).toMatchObject({ ...report, transport: 'polling', expiresIn: 60, open: 1 });
    const socket = await openWebSocket(url, sid);
    expect(await proxy.findSession(sid)).toMatchObject({ ...report, transport: 'websocket', expiresIn: 60, open: 2 });
    host.answer();
    await poll;
    socket.terminate();
    await openWebSocket(url);
    expect(await proxy.findSession(host.sids.at(-1) ?? '')).toMatchObject({ transport: 'websocket', open: 1 });
  });

  it('asks the store for one that another proxy has opened, and leaves its expiry as it is', async () => {
    const hosts = await startHosts(1);
    const [one, other] = await startTwo(hosts, { keyExpiry: 30 });
    const sid = await handshake(one.url);
    const found = await other.proxy.findSession(sid) as Proxy.SessionReport;
    expect(found).toMatchObject({ sid, host: hosts[0]?.name, from: 'store', transport: undefined, age: undefined, open: undefined });
    expect(found.expiresIn).toBeGreaterThan(50);
    expect(found.expiresIn).toBeLessThanOrEqual(60);
    expect(other.proxy.hosts[0]?.sessions).toBe(0);
  });

  it('tells why a sid has no session', async () => {
    const [host, another] = [await startSessionHost(500), await startSessionHost()];
    const { proxy, url } = await before([host, another], { keyExpiry: 1, balance: 'round-robin' });
    const [expiring, lost] = [await handshake(url), await handshake(url)];
    const [, ended] = [await openWebSocket(url), host.sids.at(-1) ?? ''];
    expect(await proxy.findSession('never')).toBe('never_seen');
    expect(await proxy.endSession(ended)).toBe('ended');
    expect(await proxy.findSession(ended)).toBe('ended');
    proxy.removeHost(another.name);
    expect(await proxy.findSession(lost)).toBe('host_gone');
    await until('it has expired', async () => await proxy.findSession(expiring) === 'expired');
  });

  it('tells that the host is gone of a session whose host refuses connections, before a request has come', async () => {
    const host = await startSessionHost();
    const { proxy, url } = await before([host]);
    const sid = await handshake(url);
    await host.stop();
    await until('it is gone', () => proxy.hosts[0]?.downReason === 'refused');
    expect(await proxy.findSession(sid)).toBe('host_gone');
    expect(await proxy.endSession(sid)).toBe('host_gone');
  });
});

describe('endSession', () => {
  it.each([
    ['polling', 4, ['polling']],
    ['WebSocket', 4, ['websocket']],
    ['WebSocket after an upgrade', 4, ['polling', 'websocket']],
    ['polling, of version 2', 2, ['polling']],
    ['WebSocket, of version 2', 2, ['websocket']],
  ] as const)('lets the host close the session at once, and the client come back: by %s', async (_, version, transports) => {
    const host = await startHost({ version });
    const { proxy, url } = await startProxy({ hosts: [host.name] });
    const clients = new Clients();
    const options = { url, version, transports: [...transports], upgraded: transports[0] !== transports.at(-1) };
    const { sid } = await clients.connect({ ...options, reconnection: true, reconnectionDelay: 100 });
    await until('the handshake is over', () => proxy.hosts[0]?.sessions === 1);
    const [closed, back] = [once(host, 'disconnect'), once(clients, 'connect')];
    const since = performance.now();
    expect(await proxy.endSession(sid)).toBe('ended');
    expect(await closed).toEqual([expect.stringMatching(/^transport (?:close|error)$/)]);
    expect(performance.now() - since).toBeLessThan(1000);
    await back;
    await until('one session is there', async () => proxy.hosts[0]?.sessions === 1 && await host.call('clientsCount') === 1);
    expect(proxy.hosts[0]).toMatchObject({ sessions: 1 });
    expect(await request(pollUrl(url, sid))).toMatchObject(UNKNOWN);
    expect((await refusalsOf(proxy))['1 ended']).toBeGreaterThanOrEqual(1);
    expect((await proxy.operations.totals()).hosts[host.name]?.moved).toBe(1);
  });

  it('ends one that is about to be upgraded', async () => {
    const host = await startHost();
    const { proxy, url } = await startProxy({ hosts: [host.name] });
    const sid = await handshake(url);
    const [poll] = [request(pollUrl(url, sid)), await once(host, 'poll')];
    const socket = await openWebSocket(url, sid);
    expect(await proxy.endSession(sid)).toBe('ended');
    // Its poll is answered: by a packet `noop`.
    expect(await poll).toMatchObject({ status: 200, body: '6' });
    expect(await host.call('clientsCount')).toBe(0);
    await once(socket, 'close');
    await until('nothing is left', () => proxy.hosts[0]?.sessions === 0 && proxy.hosts[0].tunnels === 0);
  });

  it('hands over all that the host had sent to a WebSocket', async () => {
    const host = await startHost();
    const { proxy, url } = await startProxy({ hosts: [host.name] });
    const opened = once(proxy, 'session') as Promise<[Proxy.Session]>;
    const socket = await openWebSocket(url);
    const [{ sid }] = await opened;
    const messages: string[] = [];
    socket.on('message', (data) => messages.push((data as Buffer).toString()));
    socket.send('40');
    await once(socket, 'message');
    socket.pause();
    await host.call('broadcast', 'much', 'x'.repeat(5_000_000));
    await host.call('broadcast', 'last');
    expect(await proxy.endSession(sid)).toBe('ended');
    socket.resume();
    await once(socket, 'close');
    expect(messages.at(-1)).toBe('42["last",null]');
  });

  it('ends a session of python-socketio, which refuses the packet', async () => {
    const host = new PythonFixture('socketio_host.py');
    const { proxy, url } = await startProxy({ hosts: [`127.0.0.1:${await host.call<number>('start', {})}`] });
    const clients = new Clients();
    const { key, sid } = await clients.connect({ url, transports: ['polling'], reconnection: true, reconnectionDelay: 100 });
    const back = once(clients, 'connect');
    expect(await proxy.endSession(sid)).toBe('ended');
    await back;
    expect(await request(pollUrl(url, sid))).toMatchObject(UNKNOWN);
    expect(await clients.host(key)).toBe(proxy.hosts[0]?.host);
  });

  it('ends one by polling that another proxy has opened, and tells of one whose WebSocket goes through that', async () => {
    const hosts = await startHosts(1);
    const [one, other] = await startTwo(hosts);
    const clients = new Clients();
    const polling = await clients.connect({ url: one.url, transports: ['polling'] });
    const tunnelled = await clients.connect({ url: one.url, transports: ['websocket'] });
    await until('both are stored', async () => typeof await other.proxy.findSession(tunnelled.sid) === 'object');
    expect(await other.proxy.endSession(tunnelled.sid)).toBe('elsewhere');
    expect(await other.proxy.endSession(polling.sid)).toBe('ended');
    expect(await other.proxy.endSession(polling.sid)).toBe('ended');
    await until('the host has closed it', async () => await hosts[0]?.call('clientsCount') === 1);
    expect(await clients.host(tunnelled.key)).toBe(hosts[0]?.name);
    expect(await one.proxy.endSession(tunnelled.sid)).toBe('ended');
    await until('the store has forgotten it', async () => await other.proxy.findSession(tunnelled.sid) === 'never_seen');
  });

  it('rejects within seconds where the host does not answer, and leaves the session as it is', async () => {
    const host = await startHost();
    const { proxy, url } = await startProxy({ hosts: [host.name] });
    const sid = await handshake(url);
    host.freeze();
    const since = performance.now();
    await expect(proxy.endSession(sid)).rejects.toThrow('the host did not answer in time');
    expect(performance.now() - since).toBeLessThan(4000);
    expect(await proxy.findSession(sid)).toMatchObject({ host: host.name });
    host.thaw();
  });

  it('answers with why there is none for a sid that has no session', async () => {
    const { proxy } = await before([await startSessionHost()]);
    expect(await proxy.endSession('never')).toBe('never_seen');
  });

  it('rejects while the store can not be asked', async () => {
    const store = Object.assign(new MemoryStore(), { inspect: () => Promise.reject(new Error('no store')) });
    const { proxy } = await before([await startSessionHost()], { store });
    await expect(proxy.findSession('unknown')).rejects.toThrow('no store');
    await expect(proxy.endSession('unknown')).rejects.toThrow('no store');
  });
});
