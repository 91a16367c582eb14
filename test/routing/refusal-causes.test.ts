import { once } from 'node:events';
import net from 'node:net';
import { MemoryStore, SidStore, type ProxyOptions } from '../../src';
import { refusals } from '../../src/base/refusals';
import { onCleanup } from '../support/cleanup';
import { exchangeBytes, handshake, pollUrl, request, startServer } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { Relay } from '../support/relay';
import { before, startSessionHost, type SessionHost } from '../support/session-host';
import { onSids, SECRET } from '../support/stores';
import { startTlsServer } from '../support/tls';
import { until } from '../support/until';

const POLL = '/socket.io/?EIO=4&transport=polling';
const UPGRADE = 'Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAA\n';

/** Sends a request as it stands, and waits for the answer. */
const raw = (port: number, head: string): Promise<string> => exchangeBytes(port, head.replaceAll('\n', '\r\n'));

/** A host by TLS that is well until it is broken: then no connection to it comes about, and yet it takes them. */
async function breakable(): Promise<{ name: string; break: () => void }> {
  const { port } = await startTlsServer((req, res) => res.writeHead(req.url?.includes('?') ? 200 : 400).end());
  const relay = await Relay.start(port);
  // Where nothing listens.
  return { name: `https://127.0.0.1:${relay.port}`, break: () => (relay.target = 1) };
}

const bound = new MemoryStore();

type Provoke = (started: Started & { host: SessionHost }) => Promise<unknown>;

const CAUSES: [cause: string, provoke: Provoke, options?: Partial<ProxyOptions>][] = [
  ['1 never_seen', ({ url }) => request(pollUrl(url, 'unknown'))],
  ['1 malformed', ({ url }) => request(`${url}${POLL}&sid=`)],
  ['1 expired', async ({ proxy, url }) => {
    const sid = await handshake(url);
    await until('it has expired', () => proxy.hosts[0]?.sessions === 0);
    await until('the store has forgotten it', async () => await proxy.findSession(sid) === 'expired');
    await request(pollUrl(url, sid));
  }, { keyExpiry: 1 }],
  ['1 ended', async ({ proxy, url }) => {
    const sid = await handshake(url);
    await proxy.endSession(sid);
    await request(pollUrl(url, sid));
  }],
  ['1 host_gone', async ({ url, host }) => {
    const sid = await handshake(url);
    await host.stop();
    await request(pollUrl(url, sid), { method: 'POST', body: '2' });
  }, { checkInterval: 60_000 }],
  ['3 path', ({ url }) => request(`${url}/other/`)],
  ['3 target', ({ port }) => raw(port, `GET ${POLL}#a HTTP/1.1\nHost: a\nConnection: close\n\n`)],
  ['3 host_header', ({ port }) => raw(port, `GET ${POLL} HTTP/1.1\nHost: a\nHost: b\nConnection: close\n\n`)],
  ['3 upgrade', ({ port }) => raw(port, `POST ${POLL} HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket\n\n`)],
  ['3 body', ({ port }) => raw(port, `DELETE ${POLL} HTTP/1.1\nHost: a\nContent-Length: 1\n\nx`)],
  ['3 connection', ({ port }) => raw(port, `GET ${POLL} HTTP/1.1\nHost: a\nConnection: host\n\n`)],
  ['3 fields', ({ port }) => raw(port, `GET ${POLL} HTTP/1.1\nHost: a\n${'a: b\n'.repeat(1000)}\n`)],
  ['3 proxy_header', ({ port }) => raw(port, `GET ${POLL} HTTP/1.1\nHost: a\n\n`), { proxyProtocol: true, trustProxy: true }],
  ['3 version', ({ port }) => raw(port, `GET ${POLL} HTTP/2.0\nHost: a\n\n`)],
  ['3 field', async ({ proxy, port }) => {
    // What a server of the proxy's own would let through too, in a process that was told to.
    Object.assign(proxy.server, { insecureHTTPParser: true });
    await raw(port, `GET ${POLL} HTTP/1.1\nHost: a\nX: \x01\n\n`);
  }],
  ['HOST_FAILED token', async ({ proxy, url, host }) => {
    // As long as may be: there is no room for a token.
    const other = await startServer((_, res) => res.end(`0{"sid":"${'x'.repeat(512)}"}`));
    proxy.addHost(other.name);
    await once(proxy, 'up');
    proxy.drainHost(host.name);
    await request(url + POLL);
  }, { store: new SidStore({ secret: SECRET }) }],
  ['HOST_FAILED failed', async ({ url, host }) => {
    const sid = await handshake(url);
    const [poll] = [request(pollUrl(url, sid)), await once(host, 'poll')];
    await host.stop();
    await poll;
  }, { checkInterval: 60_000 }],
  ['DUPLICATE_SID duplicate', async ({ proxy, url, host }) => {
    const other = await startServer(({ method }, res) => res.writeHead(method === 'PUT' ? 500 : 400).end());
    proxy.addHost(other.name, { weight: 0 });
    await once(proxy, 'up');
    await bound.bind(`${host.port}-127.0.0.1-0`, other.name, 60);
    await request(url + POLL);
  }, { store: bound }],
  ['NO_HOST no_host', ({ proxy, url, host }) => {
    proxy.drainHost(host.name);
    return request(url + POLL);
  }],
  ['HOSTS_FULL full', async ({ url }) => {
    await handshake(url);
    await request(url + POLL);
  }, { maxSessions: 1 }],
  ['CLOSING closing', async ({ proxy, port, host, url }) => {
    // A connection that is there already, and a poll that keeps the proxy from being closed.
    const sid = await handshake(url);
    const [poll] = [request(pollUrl(url, sid)), await once(host, 'poll')];
    const accepting = once(proxy.server, 'connection') as Promise<[net.Socket]>;
    const socket = net.connect(port, '127.0.0.1');
    onCleanup(() => socket.destroy());
    socket.write(`GET ${POLL} HTTP/1.1\r\nHost: a\r\n`);
    const [accepted] = await accepting;
    // One of which nothing was read yet is idle, and ended at once.
    await until('its first lines are read', () => accepted.bytesRead > 0);
    const closed = proxy.close();
    socket.write('\r\n');
    await once(socket, 'data');
    host.answer();
    await poll;
    await closed;
  }, { drainTimeout: 10_000 }],
  ['STORE_FAILED store', ({ url }) => request(pollUrl(url, 'unknown')), {
    store: Object.assign(new MemoryStore(), { find: () => Promise.reject(new Error('no store')) }),
  }],
  ['TOO_MANY_HANDSHAKES address', async ({ url }) => {
    await handshake(url);
    await request(url + POLL);
  }, { maxHandshakesPerAddress: 0.001 }],
  ['3 connections', async ({ proxy, port }) => {
    const socket = net.connect(port, '127.0.0.1');
    onCleanup(() => socket.destroy());
    await once(proxy.server, 'connection');
    await once(net.connect(port, '127.0.0.1').on('error', () => {}), 'close');
  }, { maxConnectionsPerAddress: 1 }],
  ['TOO_MANY_HANDSHAKES rate', async ({ url }) => {
    await Promise.all(Array.from({ length: 10 }, () => request(url + POLL)));
  }, { maxHandshakesPerSecond: 1, maxQueuedHandshakes: 0 }],
  ['HOST_TIMEOUT timeout', async ({ url, host }) => {
    // By no handshake, whose answer could take as long.
    await bound.bind('silent', host.name, 60);
    await request(pollUrl(url, 'silent'));
  }, { hostTimeout: 50, store: bound }],
];

/** A `SidStore` remembers no session's end: its host, which is asked, tells it. */
const REMEMBERED = ['1 expired', '1 ended'];

const UNREACHED = 'HOST_FAILED unreached';

describe('totals of refusals', () => {
  it.each(CAUSES.filter(([cause]) => !onSids || !REMEMBERED.includes(cause)))('count %s', async (cause, provoke, options = {}) => {
    const host = await startSessionHost(options.keyExpiry === 1 ? 100 : undefined);
    const started = await before([host], options);
    await provoke({ ...started, host });
    const { refusals: counted } = await started.proxy.parts.operations.totals();
    expect(Object.keys(counted)).toEqual([cause]);
    expect(counted[cause]).toBeGreaterThan(0);
  });

  it(`count ${UNREACHED}`, async () => {
    const host = await breakable();
    const { proxy, url } = await startProxy({ hosts: [host.name], hostTls: { rejectUnauthorized: false }, checkInterval: 60_000 });
    await until('it is up', () => proxy.hosts[0]?.state === 'up');
    host.break();
    expect(await request(url + POLL)).toMatchObject({ status: 502 });
    expect((await proxy.parts.operations.totals()).refusals).toEqual({ [UNREACHED]: 1 });
  });

  it('count those of upgrades too', async () => {
    const { proxy, port } = await before([await startSessionHost()]);
    await raw(port, `GET ${POLL}&sid=unknown HTTP/1.1\nHost: a\n${UPGRADE}\n`);
    expect((await proxy.parts.operations.totals()).refusals).toEqual({ '1 never_seen': 1 });
  });

  it('have each cause, provoked here', () => {
    const known = Object.values(refusals).map(({ code, cause }) => `${code} ${cause}`);
    expect([...CAUSES.map(([cause]) => cause), UNREACHED].sort()).toEqual(known.sort());
  });
});
