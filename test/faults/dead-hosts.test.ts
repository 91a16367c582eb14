import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { MemoryStore } from '../../src';
import { onCleanup } from '../support/cleanup';
import { stopClock } from '../support/clock';
import { FullQueue } from '../support/full-queue';
import { ADDRESS } from '../support/hosts';
import { handshake, pollUrl, request, startServer } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { before, openWebSocket, startMortalHosts, startSessionHost, type SessionHost } from '../support/session-host';
import { startTlsServer } from '../support/tls';
import { until } from '../support/until';

/** Health is checked once, and hosts have time for it: what happens then, the proxy has to find out by itself. */
const ONCE = { checkInterval: 3_600_000, checkTimeout: 20_000 };

const UPGRADE = { Connection: 'Upgrade', Upgrade: 'websocket' };

const OPENINGS: [string, (url: string) => Promise<unknown>][] = [['polling', handshake], ['WebSocket', (url) => openWebSocket(url)]];

describe.each(OPENINGS)('by %s', (_, open) => {
  it('fails no handshake while two of three hosts are dead', async () => {
    const hosts = await startMortalHosts(3);
    const { url } = await before(hosts, ONCE);
    const [living, ...others] = hosts;
    await Promise.all(others.map((host) => host.stop()));
    await Promise.all(Array.from({ length: 30 }, () => open(url)));
    expect(living?.sids).toHaveLength(30);
  });

  it('passes over a host that does not answer connections, which is down from then on', async () => {
    const queue = await FullQueue.start();
    const host = await startSessionHost();
    const silent = `127.0.0.1:${queue.port}`;
    const { proxy, url } = await before([host, { name: silent }], { connectTimeout: 1000, balance: 'round-robin', ...ONCE });
    const downs: unknown[] = [];
    proxy.on('down', (...down) => downs.push(down));
    await queue.fill();
    const clock = stopClock();
    const opened = Promise.all([open(url), open(url)]);
    await until('one is on its way there', () => proxy.hosts[1]?.requests === 1 || proxy.hosts[1]?.tunnels === 1);
    await clock.advance(1000);
    await opened;
    expect(downs).toEqual([[silent, 'unreachable']]);
    // In no time: none is sent there.
    await Promise.all(Array.from({ length: 10 }, () => open(url)));
    expect(host.sids).toHaveLength(12);
  });

  it('passes over a host that ends connections before they are secure', async () => {
    const { server, name, port } = await startTlsServer((_, res) => res.end(), {}, ADDRESS);
    const host = await startSessionHost();
    const { url } = await before([{ name }, host], { hostTls: { rejectUnauthorized: false }, balance: 'round-robin', ...ONCE });
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
    const closing = net.createServer((socket) => socket.destroy()).listen(port, ADDRESS);
    onCleanup(() => closing.close());
    await once(closing, 'listening');
    await Promise.all([open(url), open(url)]);
    expect(host.sids).toHaveLength(2);
  });
});

it('tells that a host is drained once the handshake that could not reach it has gone elsewhere', async () => {
  const queue = await FullQueue.start();
  const host = await startSessionHost();
  const silent = `127.0.0.1:${queue.port}`;
  const { proxy, url } = await startProxy({ hosts: [silent, { host: host.name, weight: 0 }], connectTimeout: 1000, ...ONCE });
  await until('both are up', () => proxy.hosts.every(({ state }) => state === 'up'));
  await queue.fill();
  const clock = stopClock();
  const opening = handshake(url);
  await until('it is on its way', () => proxy.hosts[0]?.requests === 1);
  proxy.setWeight(host.name, 1);
  proxy.drainHost(silent);
  const drained = once(proxy, 'drained');
  await clock.advance(1000);
  await opening;
  expect(await drained).toEqual([silent]);
});

describe('a session whose host is gone', () => {
  let hosts: SessionHost[];
  let store: MemoryStore;
  let started: Started;

  beforeEach(async () => {
    hosts = await startMortalHosts(2);
    store = new MemoryStore();
    started = await before(hosts, { store, ...ONCE, balance: 'round-robin', connectTimeout: 10_000 });
  });

  /** Sessions on a host that is then stopped, and how many requests of sessions the other has had by and by. */
  async function sessionsOnDeadHost(count: number): Promise<{ sids: string[]; elsewhere: () => number }> {
    for (let i = 0; i < 2 * count; i += 1) await handshake(started.url);
    const [dead, other] = hosts as [SessionHost, SessionHost];
    let polls = 0;
    other.on('poll', () => polls += 1);
    await dead.stop();
    return { sids: dead.sids, elsewhere: () => polls };
  }

  it('is told so at once, as an unknown one, goes to no other host, and has its binding left to expire', async () => {
    const { sids, elsewhere } = await sessionsOnDeadHost(3);
    expect(sids).toHaveLength(3);
    // Those after the first where its host was found gone by another.
    for (const sid of [...sids, ...sids]) {
      const { status, body } = await request(pollUrl(started.url, sid));
      expect([status, body]).toEqual([400, '{"code":1,"message":"Session ID unknown"}']);
    }
    expect(elsewhere()).toBe(0);
    expect((await store.inspect(sids[0] ?? ''))?.expiresIn).toBeGreaterThan(0);
  });

  it('is told so on an upgrade too', async () => {
    const { sids } = await sessionsOnDeadHost(1);
    await expect(openWebSocket(started.url, sids[0])).rejects.toThrow('Unexpected server response: 400');
  });
});

it.each([
  ['polling', 'http', {}], ['websocket', 'http', UPGRADE], ['polling', 'https', {}], ['websocket', 'https', UPGRADE],
])('never sends a handshake again that may have reached its host: by %s over %s', async (transport, protocol, headers) => {
  // Both take the request, and die of it.
  let requests = 0;
  const onRequest = (req: http.IncomingMessage): void => {
    if (!(req.url ?? '').includes('transport')) {
      req.socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    requests += 1;
    req.socket.destroy();
  };
  const hosts = await Promise.all([1, 2].map(() => (protocol === 'https' ? startTlsServer(onRequest) : startServer(onRequest))));
  for (const { server } of hosts) server.on('upgrade', onRequest);
  const { url } = await startProxy({ hosts: hosts.map(({ name }) => name), hostTls: { rejectUnauthorized: false } });
  expect((await request(`${url}/socket.io/?EIO=4&transport=${transport}`, { headers })).status).toBe(502);
  expect(requests).toBe(1);
});

it('marks a host down with the first connection that it refuses', async () => {
  const hosts = await startMortalHosts(2);
  const [first] = hosts as [SessionHost, SessionHost];
  const { proxy, url } = await before(hosts, { ...ONCE, balance: 'round-robin' });
  const down = once(proxy, 'down');
  await first.stop();
  await Promise.all(Array.from({ length: 2 }, () => handshake(url)));
  expect(await down).toEqual([first.name, 'refused']);
});

describe('a host that dies', () => {
  it('in mid-poll gives the client a 502', async () => {
    const [host] = await startMortalHosts(1) as [SessionHost];
    const { url } = await before([host]);
    const [poll] = [request(pollUrl(url, await handshake(url))), await once(host, 'poll')];
    await host.stop();
    expect((await poll).status).toBe(502);
  });

  it('in mid-tunnel closes the WebSocket', async () => {
    const [host] = await startMortalHosts(1) as [SessionHost];
    const { url } = await before([host]);
    const closed = once(await openWebSocket(url), 'close');
    await host.stop();
    await closed;
  });

  it('in mid-response cuts the client\'s connection', async () => {
    const { name } = await startServer((req, res) => {
      res.writeHead(200, { 'Content-Length': 1000 });
      res.write('half', () => req.socket.destroy());
    });
    const { url } = await startProxy({ hosts: [name] });
    await expect(request(`${url}/socket.io/socket.io.js`)).rejects.toThrow(/aborted/);
  });
});

it.each([
  ['stops', 300, (socket: Duplex) => socket],
  ['goes', 600_000, (socket: Duplex) => socket.destroy()],
])('lets go of a client whose upgrade a host refuses, when the host then %s in mid-answer', async (_, hostTimeout, then) => {
  const { name, server } = await startServer((__, res) => res.writeHead(400).end());
  server.on('upgrade', (__, socket: Duplex) => {
    socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nhalf', () => then(socket));
  });
  const { url } = await startProxy({ hosts: [name], hostTimeout });
  const req = http.get(`${url}/socket.io/?EIO=4&transport=websocket`, { headers: UPGRADE });
  const [res] = await once(req, 'response') as [http.IncomingMessage];
  expect(res.statusCode).toBe(403);
  res.resume();
  await expect(once(res, 'end')).rejects.toThrow('aborted');
});
