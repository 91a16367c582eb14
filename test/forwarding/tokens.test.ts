import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { WebSocketServer } from 'ws';
import { SidStore, type ProxyEvents } from '../../src';
import { handshake, pollUrl, request, startServer, type Reply } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { openWebSocket } from '../support/session-host';
import { SECRET } from '../support/stores';
import { until } from '../support/until';

const OPEN = '0{"sid":"s-1","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}';
const POLLING = '/socket.io/?EIO=4&transport=polling';
const store = new SidStore({ secret: SECRET });

interface TestHost {
  name: string;
  /** What it was asked for of the session, without health checks. */
  asked: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[];
}

/** A host that opens one session, with the body that is given. */
async function hostAnswering(body: string | Buffer, headers: Record<string, string> = {}): Promise<TestHost> {
  const asked: TestHost['asked'] = [];
  const { server, name } = await startServer((req, res) => {
    const { method = '', url = '' } = req;
    if (!url.includes('transport=')) {
      res.writeHead(400).end();
      return;
    }
    const entry = { method, url, headers: req.headers, body: '' };
    asked.push(entry);
    req.setEncoding('utf8').on('data', (chunk: string) => (entry.body += chunk));
    if (url.includes('sid=')) res.end('2');
    else res.writeHead(200, headers).end(body);
  });
  new WebSocketServer({ server }).on('connection', (socket, req) => {
    asked.push({ method: 'WebSocket', url: req.url ?? '', headers: req.headers, body: '' });
    if (!req.url?.includes('sid=')) socket.send(OPEN);
  });
  return { name, asked };
}

/** A session on it, or the attempt to open one. */
interface Opened extends Started {
  host: TestHost;
  reply: Reply;
  sid: string;
}

async function opened(body: string | Buffer, headers?: Record<string, string>): Promise<Opened> {
  const host = await hostAnswering(body, headers);
  const started = await startProxy({ hosts: [host.name], store });
  const reply = await request(`${started.url}${POLLING}`, { headers: { 'Accept-Encoding': 'gzip, br' } });
  return { ...started, host, reply, sid: store.tokens.add('s-1', host.name) };
}

it('sends a host nothing of the token: in no poll, preflight, upgrade or packet', async () => {
  const { url, host, sid, proxy } = await opened(OPEN);
  await request(pollUrl(url, sid));
  await request(pollUrl(url, sid), { method: 'POST', body: '4x' });
  await request(pollUrl(url, sid), { method: 'OPTIONS', headers: { 'Access-Control-Request-Method': 'GET' } });
  await openWebSocket(url, sid);
  expect(host.asked.map(({ method }) => method)).toEqual(['GET', 'GET', 'POST', 'OPTIONS', 'WebSocket']);
  await proxy.endSession(sid);
  expect(JSON.stringify(host.asked)).not.toContain(sid.slice('s-1'.length));
  for (const { url: target } of host.asked.slice(1)) expect(new URL(target, 'http://a').searchParams.get('sid')).toBe('s-1');
});

it.each([
  ['gzip', gzipSync(OPEN)], ['br', brotliCompressSync(OPEN)], ['deflate', deflateSync(OPEN)],
])('adds the token to an answer in %s, which leaves without a coding', async (coding, body) => {
  const { host, reply, sid } = await opened(body, { 'Content-Encoding': coding, 'Content-Length': String(body.length) });
  expect(host.asked[0]?.headers['accept-encoding']).toBe('identity');
  expect(reply.body).toBe(OPEN.replace('s-1', sid));
  expect(reply.headers['content-encoding']).toBeUndefined();
  expect(reply.headers['content-length']).toBe(String(reply.bytes.length));
});

it('leaves nothing in the answer that was computed from the body as it was', async () => {
  const { reply } = await opened(OPEN, {
    'ETag': '"a"', 'Content-MD5': 'YQ==', 'Content-Digest': 'sha-256=:YQ==:', 'Repr-Digest': 'sha-256=:YQ==:', 'Digest': 'a=b',
    'X-Other': 'c',
  });
  expect(reply.headers).not.toHaveProperty('etag');
  expect(Object.keys(reply.headers).filter((name) => /digest|md5/.test(name))).toEqual([]);
  expect(reply.headers['x-other']).toBe('c');
});

/** With the whole state of an application in it. */
const LARGE = Buffer.concat([Buffer.from(`${OPEN}\x1e4`), Buffer.alloc(300_000, 0xff)]);

it.each([
  ['a length', { 'Content-Length': String(LARGE.length) }], ['chunks', { 'Transfer-Encoding': 'chunked' }],
])('adds the token to a large answer by %s, and changes nothing else', async (_, framing: Record<string, string>) => {
  const { reply, sid } = await opened(LARGE, framing);
  const expected = Buffer.concat([Buffer.from(`${OPEN.replace('s-1', sid)}\x1e4`), Buffer.alloc(300_000, 0xff)]);
  expect(reply.bytes.equals(expected)).toBe(true);
  const length = 'Content-Length' in framing ? String(expected.length) : undefined;
  expect(reply.headers['content-length']).toBe(length);
});

it.each<[what: string, body: Buffer | string, headers: Record<string, string>]>([
  ['is compressed and large', gzipSync(LARGE), { 'Content-Encoding': 'gzip' }],
  ['has a sid that is too long with a token', OPEN.replace('s-1', 's'.repeat(480)), {}],
  ['is no UTF-8', Buffer.from(OPEN.replace('websocket', '\xff'), 'latin1'), {}],
])('refuses a handshake whose answer %s, and closes the session at its host', async (_, body, headers) => {
  const { reply, host, proxy, url } = await opened(body, headers);
  expect([reply.status, reply.json()]).toEqual([502, { code: 'HOST_FAILED', message: 'The host failed before it answered' }]);
  await until('the host is told', () => host.asked.some(({ method, body: packet }) => method === 'POST' && packet === '1:1'));
  expect(proxy.hosts[0]?.sessions).toBe(0);
  expect((await request(`${url}${POLLING}`)).status).toBe(502);
});

it.each<[what: string, body: Buffer | string, headers: Record<string, string>]>([
  ['has a sid that nobody could bind', OPEN.replace('s-1', 's'.repeat(513)), {}],
  ['is compressed twice', gzipSync(gzipSync(OPEN)), { 'Content-Encoding': 'gzip, gzip' }],
  ['is large and no handshake', Buffer.alloc(200_000, 0x61), {}],
  ['is empty', '', {}],
])('passes an answer on, as with any store, that %s', async (_, body, headers) => {
  const { reply } = await opened(body, headers);
  expect(reply.status).toBe(200);
  expect(reply.bytes.equals(Buffer.from(body))).toBe(true);
});

it('leaves a session alone that is opened by WebSocket, and names it like the others', async () => {
  const { proxy, url, host, sid } = await opened(OPEN);
  const told = once(proxy, 'session') as Promise<ProxyEvents['session']>;
  const socket = await openWebSocket(url);
  expect((await told)[0]).toEqual({ sid, host: host.name, transport: 'websocket' });
  expect(await proxy.findSession('s-1')).toMatchObject({ sid, transport: 'websocket' });
  socket.terminate();
});

it('knows sessions of one sid on two hosts apart', async () => {
  const hosts = [await hostAnswering(OPEN), await hostAnswering(OPEN)];
  const { url, proxy } = await startProxy({ hosts: hosts.map(({ name }) => name), store, balance: 'round-robin' });
  const sids = [await handshake(url), await handshake(url)];
  for (const sid of sids) await request(pollUrl(url, sid));
  expect(hosts.map(({ asked }) => asked.length)).toEqual([2, 2]);
  expect(proxy.hosts.map(({ sessions }) => sessions)).toEqual([1, 1]);
});
