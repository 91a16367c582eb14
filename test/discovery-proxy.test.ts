import { once } from 'node:events';
import { MemoryStore, Proxy, type PartialProxyOptions, type ProxyOptions, type Session } from '../src';
import { Clients } from './support/clients';
import { addresses, DnsServer, startDnsServer } from './support/dns-server';
import { startHost, type HostOptions, type HostProcess } from './support/hosts';
import { handshake, pollUrl, request } from './support/http';
import { somePort } from './support/program';
import { startProxy } from './support/proxy';
import { startProxyProcess, type ProxyProcess } from './support/proxy-process';
import { openClient, sharedRedisUrl, uniqueKeyPrefix } from './support/redis';
import { until } from './support/until';

const NAME = 'chat.example.test';

/**
 * Sessions of two seconds, so that one by polling is over soon after its last request. Nearly all of that is for the
 * answers to pings, which client and server may be slow to give.
 */
const SHORT = { pingInterval: 200, pingTimeout: 1800 };

/** Hosts that share a port, at 127.0.0.1 and the addresses after it, as pods do. */
async function startPods(count: number, options?: HostOptions): Promise<{ pods: HostProcess[]; discover: string; port: number }> {
  for (let tries = 1; ; tries += 1) {
    const port = somePort();
    const starting = Array.from({ length: count }, (_, i) => startHost({ address: `127.0.0.${i + 1}`, port, ...options }));
    try {
      return { pods: await Promise.all(starting), port, discover: `dns:${NAME}:${port}` };
    } catch (error) {
      await Promise.allSettled(starting);
      // Another process has that port at one of the addresses: try one more.
      if (tries === 5 || !String(error).includes('EADDRINUSE')) throw error;
    }
  }
}

/** A proxy of the built package in a process of its own, which asks this server. */
function startDiscovering(server: DnsServer, options: Partial<ProxyOptions> & { redisUrl?: string }): Promise<ProxyProcess> {
  const script = `import dns from 'node:dns'; dns.setServers(['${server.address}']);`;
  return startProxyProcess({ hosts: [], checkInterval: 100, ...options } as never, ['--import', `data:text/javascript,${script}`]);
}

/** Resolves once the event has come with this first argument. */
async function told(proxy: ProxyProcess, event: string, host: string): Promise<void> {
  for (;;) {
    const [[name]] = await once(proxy, event) as [[string]];
    if (name === host) return;
  }
}

const discovering = (name: string, options: PartialProxyOptions = {}): PartialProxyOptions =>
  ({ discover: name, checkInterval: 100, ...options });

it('lets real sessions go on while their host drains, and the host leave when they are over', async () => {
  const { pods, discover } = await startPods(2, SHORT);
  const [first = '', second = ''] = pods.map(({ name }) => name);
  const server = await new DnsServer({ [NAME]: addresses(['127.0.0.1']) }).start();
  const proxy = await startDiscovering(server, { discover, keyExpiry: 1 });
  const { url } = proxy;
  const clients = new Clients();
  const polling = await clients.connect({ url, transports: ['polling'] });
  const upgraded = await clients.connect({ url, upgraded: true });
  expect([polling.host, upgraded.host]).toEqual([first, first]);

  const joined = told(proxy, 'up', second);
  const removed = told(proxy, 'removed', first);
  server.zone = { [NAME]: addresses(['127.0.0.2']) };
  await joined;
  for (let i = 0; i < 5; i += 1) {
    const client = await clients.connect({ url, transports: ['polling'] });
    expect(client.host).toBe(second);
    await clients.close(client.key);
  }
  // Longer than keyExpiry.
  for (let i = 0; i < 2; i += 1) {
    await server.asked();
    for (const { key } of [polling, upgraded]) {
      await clients.exchange(key, 1000);
      expect(await clients.host(key)).toBe(first);
    }
  }
  for (const { key } of [polling, upgraded]) await clients.close(key);
  await removed;
  expect((await request(pollUrl(url, polling.sid))).status).toBe(400);
});

it('takes back a host that returns while it drains', async () => {
  const { pods, discover } = await startPods(2);
  const server = await startDnsServer({ [NAME]: addresses(['127.0.0.1', '127.0.0.2']) });
  const { proxy, url } = await startProxy(discovering(discover));
  const opened = once(proxy, 'session') as Promise<[Session]>;
  const sid = await handshake(url);
  const [{ host: own }] = await opened;
  const other = pods.find(({ name }) => name !== own)?.name ?? '';
  const left: string[] = [];
  proxy.on('removed', (name) => left.push(name));
  const draining = (): string[] => proxy.hosts.filter((status) => status.draining).map(({ host }) => host);
  for (const [named, expected] of [[[other], own], [[own, other], undefined]] as const) {
    server.zone = { [NAME]: addresses(named.map((name) => name.split(':')[0] ?? '')) };
    await until('the change', () => draining()[0] === expected);
    expect((await request(pollUrl(url, sid), { method: 'POST', body: '40' })).body).toBe('ok');
  }
  expect(left).toEqual([]);
});

it('answers the sids of a host that has died as ever, and lets it leave at once', async () => {
  const { pods, discover } = await startPods(2);
  const [first, second] = pods;
  const server = await startDnsServer({ [NAME]: addresses(['127.0.0.1']) });
  const { proxy, url } = await startProxy(discovering(discover));
  const sid = await handshake(url);
  const events: string[] = [];
  proxy.on('down', (name) => events.push(`down ${name}`)).on('removed', (name) => events.push(`removed ${name}`));
  const removed = once(proxy, 'removed');
  const down = once(proxy, 'down');
  await first?.kill();
  await down;
  expect((await request(pollUrl(url, sid))).json()).toEqual({ code: 1, message: 'Session ID unknown' });
  server.zone = { [NAME]: addresses(['127.0.0.2']) };
  await removed;
  expect(events).toEqual([`down ${first?.name}`, `removed ${first?.name}`]);
  expect(proxy.hosts.map(({ host }) => host)).toEqual([second?.name]);
});

it('goes on with its hosts while the name does not resolve, and tells of that', async () => {
  const { discover } = await startPods(1);
  const server = await startDnsServer({ [NAME]: addresses(['127.0.0.1']) });
  const { proxy, url } = await startProxy(discovering(discover));
  const sid = await handshake(url);
  const undiscovered = once(proxy, 'undiscovered');
  server.zone = {};
  expect(await undiscovered).toMatchObject([{ code: 'ENOTFOUND', hostname: NAME }]);
  expect((await request(pollUrl(url, sid), { method: 'POST', body: '40' })).body).toBe('ok');
  await handshake(url);
});

it('lets handshakes wait for the first answer', async () => {
  const { discover } = await startPods(1);
  const server = await startDnsServer({ [NAME]: 'silence' });
  const { proxy, url } = await startProxy(discovering(discover));
  const opened = handshake(url);
  await server.asked();
  expect(proxy.hosts).toEqual([]);
  server.zone = { [NAME]: addresses(['127.0.0.1']) };
  expect(await opened).toMatch(/./);
});

it('refuses handshakes where nothing is found at first, and goes on looking', async () => {
  const { pods, discover } = await startPods(1);
  const server = await startDnsServer();
  const { proxy, url } = await startProxy(discovering(discover));
  const undiscovered = once(proxy, 'undiscovered');
  const reply = await request(`${url}/socket.io/?EIO=4&transport=polling`);
  expect([reply.status, reply.json()]).toEqual([503, { code: 'NO_HOST', message: 'No host is up' }]);
  expect(await undiscovered).toMatchObject([{ code: 'ENOTFOUND' }]);
  const up = once(proxy, 'up');
  server.zone = { [NAME]: addresses(['127.0.0.1']) };
  expect(await up).toEqual([pods[0]?.name]);
  await handshake(url);
});

it('does not call a session unknown while DNS has not told of its host', async () => {
  const { pods, discover } = await startPods(1);
  const server = await startDnsServer({ [NAME]: 'SERVFAIL' });
  const shared = { redisClient: await openClient(), keyPrefix: uniqueKeyPrefix() };
  const other = await startProxy({ hosts: [pods[0]?.name ?? ''], ...shared });
  const sid = await handshake(other.url);
  const { proxy, url } = await startProxy(discovering(discover, shared));
  const reply = await request(pollUrl(url, sid));
  expect([reply.status, reply.json()]).toEqual([503, { code: 'NO_HOST', message: 'No host is up' }]);
  expect((await request(pollUrl(url, 'unknown'))).status).toBe(400);
  const added = once(proxy, 'added');
  server.zone = { [NAME]: addresses(['127.0.0.1']) };
  await added;
  expect((await request(pollUrl(url, sid), { method: 'POST', body: '40' })).body).toBe('ok');
});

it('takes a host back that has left, when a session comes that another proxy has there', async () => {
  const { pods, discover } = await startPods(2);
  const [first, second] = pods.map(({ name }) => name);
  const server = await startDnsServer({ [NAME]: addresses(['127.0.0.1', '127.0.0.2']) });
  const shared = { redisClient: await openClient(), keyPrefix: uniqueKeyPrefix() };
  const other = await startProxy({ hosts: [first ?? ''], ...shared });
  const sid = await handshake(other.url);
  const { proxy, url } = await startProxy(discovering(discover, { ...shared, keyExpiry: 1 }));
  await once(proxy, 'up');
  const removed = once(proxy, 'removed');
  server.zone = { [NAME]: addresses(['127.0.0.2']) };
  expect(await removed).toEqual([first]);
  expect((await request(pollUrl(url, sid), { method: 'POST', body: '40' })).body).toBe('ok');
  const draining = (): [string, boolean][] => proxy.hosts.map((status): [string, boolean] => [status.host, status.draining]);
  expect(draining()).toEqual([[second, false], [first, true]]);
  server.zone = { [NAME]: addresses(['127.0.0.1', '127.0.0.2']) };
  await until('it is wanted again', () => draining().every(([, drains]) => !drains));
});

it('routes a session of another proxy to a host that only this one knows yet', async () => {
  const { pods, discover } = await startPods(2);
  const server = await startDnsServer({ [NAME]: addresses(['127.0.0.1'], 60) });
  const options = discovering(discover, { redisClient: await openClient(), keyPrefix: uniqueKeyPrefix() });
  const late = await startProxy(options);
  await once(late.proxy, 'up');
  const known = performance.now();
  server.zone = { [NAME]: addresses(['127.0.0.2'], 60) };
  const early = await startProxy(options);
  await once(early.proxy, 'up');
  const sid = await handshake(early.url);
  expect(late.proxy.hosts.map(({ host }) => host)).toEqual([pods[0]?.name]);
  // Not sooner than a second after the answer before.
  await until('a second', () => performance.now() - known > 1010);
  expect((await request(pollUrl(late.url, sid), { method: 'POST', body: '40' })).body).toBe('ok');
  expect(late.proxy.hosts.map(({ host, draining }) => [host, draining])).toEqual([[pods[0]?.name, true], [pods[1]?.name, false]]);
});

it('finds hosts by SRV records, and binds sessions to their names', async () => {
  const address = '127.0.0.1';
  const [first, second] = await Promise.all([startHost({ address }), startHost({ address })]);
  const server = await new DnsServer({
    [NAME]: [
      { type: 'SRV', data: { target: 'LOCALHOST', port: first.port, weight: 5 } },
      { type: 'SRV', data: { target: 'localhost', port: second.port, priority: 9 } },
    ],
  }).start();
  const keyPrefix = uniqueKeyPrefix();
  const proxy = await startDiscovering(server, { discover: `dns+srv:${NAME}`, keyPrefix, redisUrl: sharedRedisUrl() });
  const sid = await handshake(proxy.url);
  expect(await (await openClient()).get(`${keyPrefix}${sid}`)).toBe(`localhost:${first.port}`);
});

it.each([['silent', 'silence'], ['answering', addresses(['127.0.0.1'])]] as const)(
  'leaves nothing that keeps the process once it is closed, with DNS %s', async (_, found) => {
    const { discover } = await startPods(1);
    const server = await new DnsServer({ [NAME]: found }).start();
    const asked = server.asked();
    const proxy = await startDiscovering(server, { discover });
    await asked;
    const before = performance.now();
    await proxy.call('closeNow').catch(() => {});
    expect(await proxy.exit()).toBe(0);
    // What asks a silent server ends by itself after three seconds.
    expect(performance.now() - before).toBeLessThan(2500);
  },
);

describe('the option discover', () => {
  const store = new MemoryStore();

  it.each([
    ['chat:3000', "'chat:3000'"], ['dns:chat', "'dns:chat'"], ['dns+srv:chat:3000', "'dns+srv:chat:3000'"],
    [7, '7'], [null, 'null'], [{}, '{}'],
  ])('is refused where it is no name: %j', (value, received) => {
    expect(() => new Proxy({ store, discover: value } as ProxyOptions))
      .toThrow(new TypeError(`'discover' must be 'dns:NAME:PORT' or 'dns+srv:NAME', received ${received}`));
  });

  it('is refused beside hosts, and takes the place of none', () => {
    expect(() => new Proxy({ store, discover: 'dns+srv:chat', hosts: ['localhost:1'] } as unknown as ProxyOptions))
      .toThrow(new TypeError("'discover' must be left out where 'hosts' is given, received 'dns+srv:chat'"));
    for (const none of [{}, { hosts: [] }]) expect(new Proxy({ store, discover: 'dns+srv:chat', ...none }).hosts).toEqual([]);
  });
});
