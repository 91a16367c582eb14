import { once } from 'node:events';
import { MemoryStore } from '../src';
import { Clients } from './support/clients';
import { startHost, startHosts, type HostProcess } from './support/hosts';
import { handshake, pollUrl, request } from './support/http';
import { startProxy, type ProxyInstance } from './support/proxy';
import { openClient, uniqueKeyPrefix } from './support/redis';
import { connect, returned, TRANSPORTS } from './support/returning';
import { openWebSocket } from './support/session-host';
import { until } from './support/until';

/** Reasons that connection state recovery takes. */
const RECOVERABLE = /^(?:transport close|transport error|forced close)$/;

const UNKNOWN = { status: 400, body: '{"code":1,"message":"Session ID unknown"}' };

const sessionsOf = (proxy: ProxyInstance): number => proxy.hosts.reduce((sum, { sessions }) => sum + sessions, 0);

const PAIRS = [[2, 2], [2, 4], [3, 3], [4, 4]] as const;

describe.each(PAIRS)('a client of version %i on a host of version %i', (version, server) => {
  let hosts: HostProcess[];
  let clients: Clients;
  const store = new MemoryStore();
  let proxy: ProxyInstance;
  let url: string;

  beforeAll(async () => {
    hosts = await startHosts(2, { version: server });
    clients = new Clients();
    ({ proxy, url } = await startProxy({ store, hosts: hosts.map(({ name }) => name) }));
  });

  it.each(TRANSPORTS)('comes back when its session is ended, which its host sees at once: %s', async (_, options) => {
    const client = await connect(clients, url, { version, ...options });
    const host = hosts.find(({ name }) => name === client.host);
    if (!host) throw new Error(`no host ${client.host}`);
    const moved = async (): Promise<number> => (await proxy.operations.totals()).hosts[host.name]?.moved ?? NaN;
    const before = await moved();
    const seen = once(host, 'disconnect');
    const start = performance.now();
    expect(await proxy.endSession(client.sid)).toBe('ended');
    expect((await seen)[0]).toMatch(RECOVERABLE);
    expect(performance.now() - start).toBeLessThan(1500);
    expect(await proxy.findSession(client.sid)).toBe('ended');
    expect(await request(pollUrl(url, client.sid))).toMatchObject(UNKNOWN);
    expect(await store.find(client.sid, 1)).toBeUndefined();
    expect(await proxy.endSession(client.sid)).toBe('ended');

    const sid = await returned(clients, client);
    expect(await moved()).toBe(before + 1);
    await until('the new session counts alone', () => sessionsOf(proxy) === 1);
    await clients.close(client.key);
    await until('its hosts have no session left', async () => {
      const counts = await Promise.all(hosts.map((each) => each.call<number>('clientsCount')));
      return counts.every((count) => count === 0);
    });
    // One by polling has ended without a word to the proxy.
    await proxy.endSession(sid);
    await until('none counts', () => sessionsOf(proxy) === 0 && proxy.hosts.every(({ requests, tunnels }) => requests + tunnels === 0));
  });
});

describe('on a host of version 4', () => {
  let host: HostProcess;
  let clients: Clients;

  beforeAll(async () => {
    host = await startHost();
    clients = new Clients();
  });

  const clientsCount = (): Promise<number> => host.call('clientsCount');

  it('has the held poll answered, and loses nothing that its host has sent by then', async () => {
    const { proxy, url } = await startProxy({ hosts: [host.name] });
    const held = once(host, 'poll');
    const client = await connect(clients, url, { transports: ['polling'] });
    await held;
    for (let i = 0; i < 20; i += 1) {
      await until('a poll is held', () => proxy.hosts[0]?.polls === 1);
      await host.call('broadcast', 'said', i);
      await until('it is heard', async () => (await clients.state(client.key)).heard.length > i);
    }
    await until('a poll is held', () => host.call<number>('polls'));
    await host.call('broadcast', 'said', 'last');
    expect(await proxy.endSession(client.sid)).toBe('ended');
    await returned(clients, client);
    expect((await clients.state(client.key)).heard.at(-1)).toBe('last');
    await clients.close(client.key);
  });

  it('answers a held poll at once', async () => {
    const { proxy, url } = await startProxy({ hosts: [host.name] });
    const sid = await handshake(url);
    const [poll] = [request(pollUrl(url, sid)), await once(host, 'poll')];
    expect(await proxy.endSession(sid)).toBe('ended');
    expect(await poll).toMatchObject({ status: 200, body: '6' });
    expect(await clientsCount()).toBe(0);
  });

  it('ends a session whose WebSocket does not carry it yet', async () => {
    const { proxy, url } = await startProxy({ hosts: [host.name] });
    const sid = await handshake(url);
    const socket = await openWebSocket(url, sid);
    const closed = once(socket, 'close');
    expect(await proxy.endSession(sid)).toBe('ended');
    expect(await clientsCount()).toBe(0);
    await closed;
  });

  it.each([
    ['version 3', 'EIO=3&b64=1'], ['version 3 by JSONP', 'EIO=3&b64=1&j=0'], ['version 4 by JSONP', 'EIO=4&j=0'],
  ])('ends a session of the protocol in %s', async (_, query) => {
    const { proxy, url } = await startProxy({ hosts: [host.name] });
    const target = `${url}/socket.io/?transport=polling&${query}`;
    const { body } = await request(target);
    const sid = /"sid\\?":\\?"([\w-]+)/.exec(body)?.[1] ?? '';
    // In version 3 the host has something to say at first.
    if (query.startsWith('EIO=3')) await Promise.all([request(`${target}&sid=${sid}`), once(host, 'poll')]);
    const [poll] = [request(`${target}&sid=${sid}`), await once(host, 'poll')];
    expect(await clientsCount()).toBe(1);
    expect(await proxy.endSession(sid)).toBe('ended');
    expect(await clientsCount()).toBe(0);
    expect(await poll).toMatchObject({ status: 200 });
  });

  it('rejects while its host is frozen, and the client is served when that goes on', async () => {
    const { proxy, url } = await startProxy({ hosts: [host.name], checkInterval: 60_000 });
    const client = await connect(clients, url, { transports: ['polling'] });
    host.freeze();
    const start = performance.now();
    const ended = await proxy.endSession(client.sid).catch((error: unknown) => error);
    const took = performance.now() - start;
    const found = await proxy.findSession(client.sid);
    host.thaw();
    expect(ended).toEqual(new Error('the host did not answer in time'));
    expect(took).toBeLessThan(10_000);
    expect(found).toMatchObject({ host: host.name });
    expect(await clients.answered(client.key)).toBe(host.name);
    await clients.close(client.key);
  });
});

describe('with two proxies that share Redis', () => {
  const start = async (count = 1): Promise<{ hosts: HostProcess[]; proxies: { proxy: ProxyInstance; url: string }[] }> => {
    const hosts = await startHosts(count);
    const options = { redisClient: await openClient(), keyPrefix: uniqueKeyPrefix(), hosts: hosts.map(({ name }) => name) };
    return { hosts, proxies: [await startProxy(options), await startProxy(options)] };
  };

  it('can end a session by polling that the other one carries', async () => {
    const { proxies: [one, other] } = await start(2);
    if (!one || !other) throw new Error('no proxies');
    const clients = new Clients();
    const client = await connect(clients, one.url, { transports: ['polling'] });
    expect(await other.proxy.endSession(client.sid)).toBe('ended');
    expect(await other.proxy.findSession(client.sid)).toBe('ended');
    await returned(clients, client);
    expect(await request(pollUrl(one.url, client.sid))).toMatchObject(UNKNOWN);
    await clients.close(client.key);
  });

  it.each(TRANSPORTS.slice(1))('cannot end a session whose WebSocket the other one carries: %s', async (_, options) => {
    const { hosts: [host], proxies: [one, other] } = await start();
    if (!one || !other || !host) throw new Error('no proxies');
    const clients = new Clients();
    const client = await connect(clients, one.url, options);
    expect(await other.proxy.endSession(client.sid)).toBe('elsewhere');
    expect(await clients.host(client.key)).toBe(host.name);
    expect(await clients.state(client.key)).toMatchObject({ connected: true, sid: client.sid });
    expect(await one.proxy.endSession(client.sid)).toBe('ended');
    await returned(clients, client);
    await clients.close(client.key);
  });
});
