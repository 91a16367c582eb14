import { once } from 'node:events';
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import net, { type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { PartialProxyOptions } from '../../src';
import { onCleanup } from '../support/cleanup';
import { settle, standStill, stopClock } from '../support/clock';
import { exchangeBytes, request, startServer, type Reply } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { CERT, startTlsServer } from '../support/tls';
import { until } from '../support/until';

const POLL = '/socket.io/?EIO=4&transport=polling';
/** No handshake by polling, whose response would be held back. */
const STREAMED = '/socket.io/?EIO=4';

/** What the host never answers. */
const SILENT = `${POLL}&silent`;

/** A proxy in front of one host, which answers health checks, and leaves other requests to the handler. */
async function behind(handler: RequestListener, options: PartialProxyOptions = {}): Promise<Started> {
  const { name } = await startServer((req, res) => {
    if (req.url === SILENT) return;
    if (req.url?.includes('?')) handler(req, res);
    else res.end();
  });
  return startProxy({ hosts: [name], checkInterval: 3_600_000, ...options });
}

function rawRequest(target: string, ...headers: string[]): string {
  return [`GET ${target} HTTP/1.1`, 'Host: a.example', ...headers, '', ''].join('\r\n');
}

it('takes no second response for the answer to the next request', async () => {
  const { port } = await behind(({ socket, url }, res) => {
    const answer = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    if (url?.endsWith('n=1')) socket.write(answer('1') + answer('forged'));
    else res.end('2');
  });
  const answer = await exchangeBytes(port, rawRequest(`${POLL}&n=1`) + rawRequest(`${POLL}&n=2`, 'Connection: close'));
  expect(answer.match(/(?<=\r\n\r\n)(?:\d|forged)/g)).toEqual(['1', '2']);
});

it('reads again from a connection whose last response had filled its reader', async () => {
  // Longer than the buffer towards the client, and read from the host in one piece, its end included.
  const body = 'x'.repeat(30_000);
  const { name } = await startServer((_, res) => res.end(body));
  const server = http.createServer({ highWaterMark: 1024 });
  onCleanup(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = await startProxy({ hosts: [name], server });
  // Pipelined, so that each begins in the moment in which the one before it has ended.
  const requests = rawRequest(STREAMED).repeat(3) + rawRequest(STREAMED, 'Connection: close');
  const answer = await exchangeBytes(port, requests);
  expect(answer.match(/x{30000}/g)).toHaveLength(4);
});

it('sends nothing on a connection whose host has answered before it had the whole request', async () => {
  const { port, url } = await behind(({ method }, res) => res.writeHead(method === 'POST' ? 413 : 200, { 'Content-Length': 0 }).end());
  const socket = net.connect(port, '127.0.0.1');
  onCleanup(() => socket.destroy());
  socket.write(`POST ${POLL} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 50000\r\n\r\n${'x'.repeat(20_000)}`);
  const [answer] = await once(socket, 'data') as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 413 /);
  expect((await request(url + POLL)).status).toBe(200);
  // The client may go on: with the rest of its body, and then with another request.
  socket.write('x'.repeat(30_000) + rawRequest(POLL));
  const [next] = await once(socket, 'data') as [Buffer];
  expect(next.toString()).toMatch(/^HTTP\/1\.1 200 /);
});

/** Holds requests, and resolves with the next one's response. */
function holding(): { handler: RequestListener; asked: Promise<ServerResponse> } {
  let ask: (res: ServerResponse) => void = () => {};
  const asked = new Promise<ServerResponse>((resolve) => ask = resolve);
  return { handler: (_, res) => ask(res), asked };
}

it('reads what a host has sent while the process stood still, before it takes the host for silent', async () => {
  const { handler, asked } = holding();
  const { url } = await behind(handler, { hostTimeout: 500 });
  const reply = request(url + POLL);
  const res = await asked;
  res.end('in time');
  // Longer than the host may be silent.
  standStill(600);
  expect((await reply).body).toBe('in time');
});

/** Lets `hostTimeout` pass: for a request that is made now, and so for all that were made before. */
async function outlast({ url }: Started): Promise<void> {
  expect((await request(url + SILENT)).status).toBe(504);
}

it('keeps to a hostTimeout of less than a second', async () => {
  const order: string[] = [];
  const wait = async (hostTimeout: number): Promise<void> => {
    await outlast(await behind(() => {}, { hostTimeout }));
    order.push(String(hostTimeout));
  };
  await Promise.all([wait(900), wait(100)]);
  expect(order).toEqual(['100', '900']);
});

it.each([
  ['sends its head bit by bit', 'HTTP/1.1 200 OK'.split('')],
  ['sends interim responses only', Array.from({ length: 15 }, () => 'HTTP/1.1 102 Processing\r\n\r\n')],
])('takes a host for a silent one that %s for longer than hostTimeout', async (_, bits) => {
  const clock = stopClock();
  let host: Socket | undefined;
  const { url } = await behind((req) => host = req.socket, { checkInterval: 3_600_000, hostTimeout: 60_000 });
  let reply: Reply | undefined;
  void request(url + POLL).then((came) => reply = came);
  await until('it is asked', () => host);
  let sent = 0;
  for (const bit of bits) {
    if (reply) break;
    await clock.advance(10_000);
    host?.write(bit);
    sent += 1;
    await settle();
  }
  // The first one comes after 10 s.
  expect([sent, reply?.status, reply?.json()]).toEqual([8, 504, expect.objectContaining({ code: 'HOST_TIMEOUT' })]);
});

it('does not take a client that pauses in an upload for a silent host', async () => {
  let hostHas = '';
  const started = await behind((req, res) => req.on('data', (chunk: Buffer) => {
    hostHas += chunk.toString();
    if (hostHas.endsWith('rest')) res.end();
  }), { hostTimeout: 200 });
  const req = http.request(started.url + POLL, { method: 'POST', agent: false, headers: { 'Transfer-Encoding': 'chunked' } });
  onCleanup(() => req.destroy());
  const responded = once(req, 'response') as Promise<[IncomingMessage]>;
  req.write('some');
  await until('the host has it', () => hostHas === 'some');
  await outlast(started);
  // And not the end: with that it is the host's turn, which could miss its time where this process stands still.
  req.write('rest');
  expect((await responded)[0].statusCode).toBe(200);
});

it('takes a host that does not read an upload for a silent one, and takes in the rest of the upload', async () => {
  const { port } = await behind((req, res) => (req.method === 'POST' ? req.pause() : res.end()), { hostTimeout: 200 });
  const socket = net.connect(port, '127.0.0.1');
  onCleanup(() => socket.destroy());
  // More than the sockets on the way hold.
  const size = 2 ** 26;
  socket.write(`POST ${POLL} HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${size}\r\n\r\n`);
  const written = new Promise<void>((resolve) => socket.write(Buffer.alloc(size), () => resolve()));
  const [answer] = await once(socket, 'data') as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 504 /);
  await written;
  // Answered by the proxy itself: a host could miss its 200 ms where this process stands still.
  socket.write(rawRequest(`${POLL}&sid=unknown`));
  const [next] = await once(socket, 'data') as [Buffer];
  expect(next.toString()).toMatch(/^HTTP\/1\.1 400 /);
});

it('gives a host that a slow reader has kept from sending all its time again', async () => {
  const size = 8_000_000;
  const started = await behind((_, res) => res.end(Buffer.alloc(size)), { hostTimeout: 400 });
  const socket = net.connect(started.port, '127.0.0.1');
  onCleanup(() => socket.destroy());
  socket.pause();
  socket.write(rawRequest(POLL, 'Connection: close'));
  // The client reads nothing: in the first of these the sockets on the way are full, if they are ever.
  for (let i = 0; i < 3; i += 1) await outlast(started);
  let received = 0;
  socket.on('data', ({ length }: Buffer) => received += length);
  socket.resume();
  await once(socket, 'close');
  expect(received).toBeGreaterThan(size);
});

it('ends a connection whose host has answered before it had the whole request, however long the host would keep it', async () => {
  let closed: Promise<unknown> | undefined;
  const { port } = await behind((req) => {
    const { socket } = req.resume();
    closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write('HTTP/1.1 413 Too Large\r\nKeep-Alive: timeout=600\r\nContent-Length: 0\r\n\r\n');
  });
  const client = net.connect(port, '127.0.0.1');
  onCleanup(() => client.destroy());
  client.write(`POST ${POLL} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 50000\r\n\r\n${'x'.repeat(20_000)}`);
  await once(client, 'data');
  await closed;
});

it('does not count the time that a host takes to answer towards connectTimeout', async () => {
  const clock = stopClock();
  const { handler, asked } = holding();
  const { url } = await behind(handler, { connectTimeout: 250 });
  const reply = request(url + POLL);
  const res = await asked;
  await clock.advance(1000);
  res.end('late');
  expect(await reply).toMatchObject({ status: 200, body: 'late' });
});

it('resumes its TLS session with the next connection to a host', async () => {
  const reused: boolean[] = [];
  const { name } = await startTlsServer(({ url, socket }, res) => {
    if (url?.includes('?') && socket instanceof TLSSocket) reused.push(socket.isSessionReused());
    // Each request has a connection of its own.
    res.writeHead(200, { Connection: 'close' }).end();
  });
  const { url } = await startProxy({ hosts: [name], hostTls: { ca: CERT } });
  for (let i = 0; i < 3; i += 1) await request(url + POLL);
  expect(reused).toEqual([false, true, true]);
});

it('names the host for a client of HTTP/1.0 that does not', async () => {
  const { port } = await behind((req, res) => res.end(`<${req.headers.host ?? 'none'}>`));
  expect(await exchangeBytes(port, `GET ${POLL} HTTP/1.0\r\n\r\n`)).toMatch(/<127\.0\.0\.1:\d+>$/);
});

it.each([
  ['a request', rawRequest(POLL, 'host: b.example', 'Connection: close')],
  ['an upgrade', rawRequest(POLL, 'HOST: b.example', 'Connection: Upgrade', 'Upgrade: websocket')],
])('refuses %s that names two hosts', async (_, bytes) => {
  const { port } = await behind((_req, res) => res.end());
  expect(await exchangeBytes(port, bytes)).toMatch(/^HTTP\/1\.1 400 [^]*"Bad request"/);
});
