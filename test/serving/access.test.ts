import { EventEmitter, once } from 'node:events';
import http from 'node:http';
import type Proxy from '../../src';
import { onCleanup } from '../support/cleanup';
import { stopClock } from '../support/clock';
import { handshake, pollUrl, request, startServer } from '../support/http';
import { before, openWebSocket, startSessionHost, type SessionHost } from '../support/session-host';

type AccessEntry = Proxy.AccessEntry;

const UPGRADE = { 'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'AAAA' };

let host: SessionHost;

beforeAll(async () => {
  host = await startSessionHost();
});

async function entry(proxy: Proxy.Proxy): Promise<AccessEntry> {
  const [found] = await once(proxy, 'access') as [AccessEntry];
  return found;
}

it('tells of a handshake with the session that it has opened, and of a poll with its session', async () => {
  const { proxy, url } = await before([host]);
  let told = entry(proxy);
  const sid = await handshake(url);
  expect(await told).toEqual({
    time: expect.any(Date) as Date, client: '127.0.0.1', method: 'GET', url: '/socket.io/?EIO=4&transport=polling', httpVersion: '1.1',
    status: 200, bytes: expect.any(Number) as number, duration: expect.any(Number) as number, host: host.name, sid: sid.slice(0, 6),
    cause: undefined,
  });
  told = entry(proxy);
  const polled = once(host, 'poll');
  const poll = request(`${pollUrl(url, sid)}&t=abc&token=secret`);
  await polled;
  host.answer();
  const { body, rawHeaders } = await poll;
  const head = `HTTP/1.1 200 OK\r\n${rawHeaders.map((text, i) => (i % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('')}\r\n`;
  const polledEntry = await told;
  expect(polledEntry).toMatchObject({
    url: `/socket.io/?EIO=4&transport=polling&t=abc&sid=${sid.slice(0, 6)}`, host: host.name, sid: sid.slice(0, 6),
    bytes: head.length + body.length,
  });
});

it('tells of a WebSocket when it is over, with all that was sent', async () => {
  const clock = stopClock();
  const { proxy, url } = await before([host], { checkInterval: 3_600_000 });
  const told = entry(proxy);
  const time = new Date(jest.now());
  const socket = await openWebSocket(url);
  await clock.advance(600_000);
  socket.close();
  const { bytes, ...rest } = await told;
  expect(rest).toMatchObject({ status: 101, sid: host.sids.at(-1)?.slice(0, 6), host: host.name, duration: 600_000, time });
  expect(bytes).toBeGreaterThan(100);
});

it.each([
  ['a sid that is unknown', '/socket.io/?EIO=4&transport=polling&sid=nobody-knows-it', { status: 400, cause: 'never_seen', sid: 'nobody' }],
  ['another path, without its query', '/other?password=secret', { status: 400, cause: 'path', url: '/other', sid: undefined }],
  ['a sid that is cut within a letter', '/socket.io/?sid=abcde%F0%9F%98%80f', { sid: 'abcde', url: '/socket.io/?sid=abcde' }],
  ['a value that is cut within a letter', `/other?t=${'t'.repeat(31)}%F0%9F%98%80`, { url: `/other?t=${'t'.repeat(31)}` }],
  ['a sid that stands there twice', '/socket.io/?sid=a&sid=b', { status: 400, sid: undefined, url: '/socket.io/' }],
])('tells of a refusal: %s', async (_, path, expected) => {
  const { proxy, url } = await before([host]);
  const told = entry(proxy);
  await request(url + path);
  expect(await told).toMatchObject({ host: undefined, ...expected });
});

it('tells of each request on a connection what was sent for it alone', async () => {
  const { proxy, url } = await before([host]);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  onCleanup(() => agent.destroy());
  const bytes: number[] = [];
  for (let i = 0; i < 3; i += 1) {
    const told = entry(proxy);
    await request(`${url}/other`, { agent });
    bytes.push((await told).bytes);
  }
  expect(bytes[0]).toBeGreaterThan(100);
  expect(bytes).toEqual([bytes[0], bytes[0], bytes[0]]);
});

it('tells of an upgrade that is refused', async () => {
  const { proxy, url } = await before([host]);
  const told = entry(proxy);
  await openWebSocket(url, 'unknown').catch(() => {});
  expect(await told).toMatchObject({ status: 400, cause: 'never_seen', host: undefined, sid: 'unknow' });
});

it('tells why a request to a host that closes its connection has failed', async () => {
  const closing = await startSessionHost();
  const { proxy, url } = await before([closing]);
  const sid = await handshake(url);
  const told = entry(proxy);
  const polled = once(closing, 'poll');
  const poll = request(pollUrl(url, sid));
  await polled;
  await closing.stop();
  expect((await poll).status).toBe(502);
  expect(await told).toMatchObject({ status: 502, cause: 'failed', host: closing.name, sid: sid.slice(0, 6) });
});

it('tells with which status a host has refused an upgrade', async () => {
  const { name, server } = await startServer((_, res) => res.end());
  server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'));
  const { proxy, url } = await before([{ name }]);
  const told = entry(proxy);
  await openWebSocket(url).catch(() => {});
  expect(await told).toMatchObject({ status: 403, cause: undefined, host: name });
});

it('tells why an upgrade at a host that closes its connection has failed', async () => {
  const { name, server } = await startServer((_, res) => res.end());
  server.on('upgrade', (req) => req.socket.destroy());
  const { proxy, url } = await before([{ name }]);
  const told = entry(proxy);
  await openWebSocket(url).catch(() => {});
  expect(await told).toMatchObject({ status: 502, cause: 'failed', host: name, sid: undefined });
});

it('tells 499 of a client that has gone before it was answered', async () => {
  const { proxy, url } = await before([host]);
  const sid = await handshake(url);
  const told = entry(proxy);
  const polled = once(host, 'poll');
  const req = http.get(pollUrl(url, sid)).on('error', () => {});
  await polled;
  req.destroy();
  expect(await told).toMatchObject({ status: 499, host: host.name, bytes: 0, client: '127.0.0.1' });
});

it.each([
  ['a poll', (url: string) => http.get(pollUrl(url, 'waiting'))],
  ['an upgrade', (url: string) => http.get(pollUrl(url, 'waiting'), { headers: UPGRADE })],
])('tells 499 of a client that has gone before its host was found: %s', async (_, send) => {
  const asked = new EventEmitter();
  const find = (): Promise<undefined> => new Promise((resolve) => void asked.emit('find', resolve));
  const store = { bind: () => Promise.resolve(), find, unbind: () => Promise.resolve() };
  const { proxy, url } = await before([host], { store, storeTimeout: 1_000_000_000 });
  const told = entry(proxy);
  const finding = once(asked, 'find');
  const req = send(url).on('error', () => {});
  const [answer] = await finding as [() => void];
  req.destroy();
  expect(await told).toMatchObject({ status: 499, host: undefined, sid: 'waitin', cause: undefined, bytes: 0 });
  answer();
});

it('tells of a request that has no session, and opens none', async () => {
  const { proxy, url } = await before([host]);
  const told = entry(proxy);
  await request(`${url}/socket.io/?EIO=4&transport=polling`, { method: 'OPTIONS' });
  expect(await told).toMatchObject({ method: 'OPTIONS', status: 200, host: host.name, sid: undefined, cause: undefined });
});

it.each([
  [false, '127.0.0.1'],
  [true, '192.0.2.2'],
  [['127.0.0.1'], '192.0.2.2'],
  [['loopback', '192.0.2.2'], '192.0.2.1'],
  [['192.0.2.2'], '127.0.0.1'],
])('names, with trustProxy %p, %s as the client of a load balancer', async (trustProxy, client) => {
  const { proxy, url } = await before([host], { trustProxy });
  const told = entry(proxy);
  await request(`${url}/socket.io/?EIO=4&transport=polling`, { headers: { 'X-Forwarded-For': '192.0.2.1, 192.0.2.2' } });
  expect(await told).toMatchObject({ client });
});
