import { once } from 'node:events';
import { inspect } from 'node:util';
import { MemoryStore, Proxy, type PartialProxyOptions, type Session } from '../../src';
import { stopClock, type Clock } from '../support/clock';
import { addresses, DnsServer, startDnsServer } from '../support/dns-server';
import { handshake, pollUrl, request } from '../support/http';
import { somePort } from '../support/program';
import { startProxy, type ProxyInstance, type Started } from '../support/proxy';
import { startProxyProcess } from '../support/proxy-process';
import { openWebSocket, SessionHost } from '../support/session-host';
import { until } from '../support/until';

const NAME = 'chat.example.test';

const HOUR = 3_600_000;

let clock: Clock;

beforeEach(() => {
  clock = stopClock();
});

/** Hosts that share a port, at 127.0.0.1 and 127.0.0.2, as pods do. */
async function startPods(lifetime = 45_000): Promise<{ pods: [SessionHost, SessionHost]; discover: string }> {
  for (let tries = 1; ; tries += 1) {
    const port = somePort();
    const starting = ['127.0.0.1', '127.0.0.2'].map((host) => new SessionHost(lifetime).start({ host, port }));
    try {
      return { pods: await Promise.all(starting) as [SessionHost, SessionHost], discover: `dns:${NAME}:${port}` };
    } catch (error) {
      await Promise.allSettled(starting);
      // Another process has that port at one of the addresses: try one more.
      if (tries === 5 || !String(error).includes('EADDRINUSE')) throw error;
    }
  }
}

/** No health check but the first of each host: a request tells as well that one has died. */
const discovering = (discover: string, options: PartialProxyOptions = {}): Promise<Started> =>
  startProxy({ discover, checkInterval: HOUR, ...options });

/** Lets time pass until DNS has told of a change. */
const changed = (what: string, condition: () => unknown): Promise<number> => clock.advanceUntil(what, condition, 100);

const post = async (url: string, sid: string): Promise<number> => (await request(pollUrl(url, sid), { method: 'POST', body: '40' })).status;

const drainingOf = (proxy: ProxyInstance): [string, boolean][] => proxy.hosts.map(({ host, draining }) => [host, draining]);

const FIRST = addresses(['127.0.0.1'], 0);
const SECOND = addresses(['127.0.0.2'], 0);
const BOTH = addresses(['127.0.0.1', '127.0.0.2'], 0);

it('lets sessions go on while their host drains, and the host leave when they are over', async () => {
  const { pods: [first, second], discover } = await startPods(10_000);
  const server = await startDnsServer({ [NAME]: FIRST });
  const { proxy, url } = await discovering(discover, { keyExpiry: 5 });
  const sid = await handshake(url);
  const socket = await openWebSocket(url);
  server.zone = { [NAME]: SECOND };
  await changed('the other is up', () => proxy.hosts[1]?.state === 'up');
  for (let i = 0; i < 5; i += 1) expect(second.sids).toContain(await handshake(url));
  // Longer than keyExpiry, and than their bindings live.
  for (let i = 0; i < 20; i += 1) {
    await clock.advance(1000);
    expect(await post(url, sid)).toBe(200);
  }
  expect([drainingOf(proxy)[0], socket.readyState]).toEqual([[first.name, true], 1]);
  socket.terminate();
  await changed('the one by polling has expired', () => proxy.hosts.length === 1);
  expect([proxy.hosts[0]?.host, await post(url, sid)]).toEqual([second.name, 400]);
});

it('takes back a host that returns while it drains', async () => {
  const { discover } = await startPods();
  const server = await startDnsServer({ [NAME]: BOTH });
  const { proxy, url } = await discovering(discover);
  const opened = once(proxy, 'session') as Promise<[Session]>;
  const sid = await handshake(url);
  const [{ host: own }] = await opened;
  const left: string[] = [];
  proxy.on('removed', (name) => left.push(name));
  for (const [zone, drains] of [[own.startsWith('127.0.0.1') ? SECOND : FIRST, true], [BOTH, false]] as const) {
    server.zone = { [NAME]: zone };
    await changed('the change', () => proxy.hosts.some(({ host, draining }) => host === own && draining === drains));
    expect(await post(url, sid)).toBe(200);
  }
  expect(left).toEqual([]);
});

it('answers the sids of a host that has died as ever, and lets it leave at once', async () => {
  const { pods: [first, second], discover } = await startPods();
  const server = await startDnsServer({ [NAME]: FIRST });
  const { proxy, url } = await discovering(discover);
  const sid = await handshake(url);
  const events: string[] = [];
  proxy.on('down', (name) => events.push(`down ${name}`)).on('removed', (name) => events.push(`removed ${name}`));
  await first.stop();
  expect((await request(pollUrl(url, sid))).json()).toEqual({ code: 1, message: 'Session ID unknown' });
  server.zone = { [NAME]: SECOND };
  await changed('it has left', () => events.length === 2);
  expect(events).toEqual([`down ${first.name}`, `removed ${first.name}`]);
  expect(drainingOf(proxy)).toEqual([[second.name, false]]);
});

it('goes on with its hosts while the name does not resolve, and tells of that', async () => {
  const { discover } = await startPods();
  const server = await startDnsServer({ [NAME]: FIRST });
  const { proxy, url } = await discovering(discover);
  const sid = await handshake(url);
  const told: Error[] = [];
  proxy.on('discoveryError', (error) => told.push(error));
  server.zone = {};
  await changed('it is told', () => told.length > 0);
  expect(told).toMatchObject([{ code: 'ENOTFOUND', hostname: NAME }]);
  expect(await post(url, sid)).toBe(200);
  await handshake(url);
});

it('lets handshakes wait for the first answer', async () => {
  const { discover } = await startPods();
  const server = await startDnsServer({ [NAME]: 'silence' });
  const { proxy, url } = await discovering(discover);
  const opened = handshake(url);
  await server.asked();
  expect(proxy.hosts).toEqual([]);
  server.zone = { [NAME]: FIRST };
  expect(await opened).toMatch(/./);
});

it('refuses handshakes where nothing is found at first, and goes on looking', async () => {
  const { pods: [first], discover } = await startPods();
  const server = await startDnsServer();
  const { proxy, url } = await discovering(discover);
  const undiscovered = once(proxy, 'discoveryError');
  const reply = await request(`${url}/socket.io/?EIO=4&transport=polling`);
  expect([reply.status, reply.json()]).toEqual([503, { code: 'NO_HOST', message: 'No host is up' }]);
  expect(await undiscovered).toMatchObject([{ code: 'ENOTFOUND' }]);
  server.zone = { [NAME]: FIRST };
  await changed('it is up', () => proxy.hosts[0]?.state === 'up');
  expect(first.sids).toContain(await handshake(url));
});

it('does not call a session unknown while DNS has not told of its host', async () => {
  const { pods: [first], discover } = await startPods();
  const server = await startDnsServer({ [NAME]: 'SERVFAIL' });
  const store = new MemoryStore();
  await store.bind('known', first.name, 60);
  const { proxy, url } = await discovering(discover, { store });
  const reply = await request(pollUrl(url, 'known'));
  expect([reply.status, reply.json()]).toEqual([503, { code: 'NO_HOST', message: 'No host is up' }]);
  expect(await post(url, 'unknown')).toBe(400);
  server.zone = { [NAME]: FIRST };
  await changed('it is added', () => proxy.hosts.length === 1);
  expect(await post(url, 'known')).toBe(200);
});

it('takes a host back that has left, when a session comes that another proxy has there', async () => {
  const { pods: [first, second], discover } = await startPods();
  const server = await startDnsServer({ [NAME]: BOTH });
  const store = new MemoryStore();
  await store.bind('another', first.name, HOUR);
  const { proxy, url } = await discovering(discover, { store, keyExpiry: 1 });
  await once(proxy, 'up');
  server.zone = { [NAME]: SECOND };
  await changed('it has left', () => proxy.hosts.length === 1);
  expect(await post(url, 'another')).toBe(200);
  expect(drainingOf(proxy)).toEqual([[second.name, false], [first.name, true]]);
  server.zone = { [NAME]: BOTH };
  await changed('it is wanted again', () => drainingOf(proxy).every(([, drains]) => !drains));
});

it('routes a session of another proxy to a host that only this one knows yet', async () => {
  const { pods: [first, second], discover } = await startPods();
  const server = await startDnsServer({ [NAME]: addresses(['127.0.0.1'], 60) });
  const store = new MemoryStore();
  const late = await discovering(discover, { store });
  await once(late.proxy, 'up');
  server.zone = { [NAME]: addresses(['127.0.0.2'], 60) };
  const early = await discovering(discover, { store });
  await once(early.proxy, 'up');
  const sid = await handshake(early.url);
  // Not sooner than a second after the answer before.
  await clock.advance(999);
  expect([await post(late.url, sid), drainingOf(late.proxy)]).toEqual([400, [[first.name, false]]]);
  await clock.advance(1);
  expect(await post(late.url, sid)).toBe(200);
  expect(drainingOf(late.proxy)).toEqual([[first.name, true], [second.name, false]]);
});

it('finds hosts by SRV records, and binds sessions to their names', async () => {
  const { pods: [first, second] } = await startPods();
  await startDnsServer({
    [NAME]: [
      { type: 'SRV', data: { target: 'LOCALHOST', port: first.port, weight: 5 } },
      { type: 'SRV', data: { target: 'elsewhere.test', port: second.port, priority: 9 } },
    ],
  });
  const store = new MemoryStore();
  const { url } = await discovering(`dns+srv:${NAME}`, { store });
  expect(await store.find(await handshake(url), 60)).toBe(`localhost:${first.port}`);
});

it('leaves nothing that keeps the process once it is closed', async () => {
  const { discover } = await startPods();
  const server = await new DnsServer({ [NAME]: FIRST }).start();
  const script = `import dns from 'node:dns'; dns.setServers(['${server.address}']);`;
  const proxy = await startProxyProcess({ hosts: [], discover }, ['--import', `data:text/javascript,${script}`]);
  await until('DNS is asked', () => server.queries.length > 0);
  await proxy.call('closeNow').catch(() => {});
  expect(await proxy.exit()).toBe(0);
});

describe('the option discover', () => {
  const store = new MemoryStore();

  it.each(['chat:3000', 'dns:chat', 7, null, {}])('is refused where it is no name: %j', (value) => {
    expect(() => new Proxy({ store, discover: value as never }))
      .toThrow(new TypeError(`'discover' must be 'dns:NAME:PORT' or 'dns+srv:NAME', received ${inspect(value)}`));
  });

  it('is refused beside hosts, and takes the place of none', () => {
    expect(() => new Proxy({ store, discover: 'dns+srv:chat', hosts: ['localhost:1'] as never }))
      .toThrow(new TypeError("'discover' must be left out where 'hosts' is given, received 'dns+srv:chat'"));
    for (const none of [{}, { hosts: [] }]) expect(new Proxy({ store, discover: 'dns+srv:chat', ...none }).hosts).toEqual([]);
  });
});
