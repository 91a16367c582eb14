import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { once } from 'node:events';
import type Proxy from '../../src';
import { onCleanup } from '../support/cleanup';
import { exchangeBytes, startServer } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { CERT, KEY } from '../support/tls';
import { until } from '../support/until';
import { foreignStream } from '../support/upgrades';

const POLL = '/socket.io/?EIO=4&transport=polling';
const H2C = 'Connection: keep-alive, Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__\n';

interface Seen {
  what: string;
  fields: string[];
  body: string;
}

let seen: Seen[];

/** A proxy before a host that answers with the number of a request, and a WebSocket with 101. */
async function beforeHost(options: Partial<Proxy.ProxyOptions> = {}): Promise<Started> {
  seen = [];
  const { name, server } = await startServer((req, res) => {
    let body = '';
    req.setEncoding('latin1').on('data', (chunk: string) => (body += chunk)).on('end', () => {
      if (req.url?.includes('transport=')) seen.push({ what: `${req.method} ${req.url.slice(POLL.length)}`, fields: req.rawHeaders, body });
      res.end(`number ${seen.length}`);
    });
  });
  server.on('upgrade', (_, socket: net.Socket) => {
    socket.on('error', () => {}).end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  });
  const started = await startProxy({ hosts: [name], ...options });
  await until('it is up', () => started.proxy.hosts[0]?.state === 'up');
  return started;
}

const lines = (text: string): string => text.replaceAll('\n', '\r\n');
const statusesOf = (answer: string): string[] => Array.from(answer.matchAll(/HTTP\/1\.1 (\d+)/g), ([, status]) => status ?? '');

describe('an upgrade to anything but WebSocket is ignored', () => {
  it('and what follows on the connection is served', async () => {
    const { port } = await beforeHost();
    const answer = await exchangeBytes(port, lines([
      `GET ${POLL}&n=1 HTTP/1.1\nHost: a\n${H2C}X-Kept: 1\n\n`,
      `GET ${POLL}&n=2 HTTP/1.1\nHost: a\n\n`,
      `POST ${POLL}&n=3 HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello`,
      `GET ${POLL}&n=4 HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket\n\n`,
    ].join('')));
    expect(statusesOf(answer)).toEqual(['200', '200', '200', '101']);
    expect(Array.from(answer.matchAll(/number (\d)/g), ([, number]) => number)).toEqual(['1', '2', '3']);
    expect(seen.map(({ what, body }) => [what, body])).toEqual([['GET &n=1', ''], ['GET &n=2', ''], ['POST &n=3', 'hello']]);
    expect(seen[0]?.fields.join()).toMatch(/X-Kept,1/);
    expect(seen.flatMap(({ fields }) => fields).join()).not.toMatch(/upgrade|http2-settings/i);
  });

  it.each([
    ['Content-Length: 5', 'hello'], ['Transfer-Encoding: chunked', '5\nhello\n0\n\n'],
  ])('with its body by %s, behind a request that is answered first', async (framing, body) => {
    const { port } = await beforeHost();
    const socket = net.connect({ port, host: '127.0.0.1' });
    onCleanup(() => socket.destroy());
    let answer = '';
    socket.on('error', () => {}).on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.write(lines(`GET ${POLL} HTTP/1.1\nHost: a\n\nPOST ${POLL} HTTP/1.1\nHost: a\n${H2C}${framing}\n\n${body}`));
    await until('both are answered', () => /number 1[^]*number 2/.test(answer));
    expect(seen).toMatchObject([{ body: '' }, { body: 'hello' }]);
  });

  it('where its bytes come one by one', async () => {
    const { port } = await beforeHost();
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    onCleanup(() => socket.destroy());
    const chunks: Buffer[] = [];
    socket.on('error', () => {}).on('data', (chunk: Buffer) => chunks.push(chunk));
    for (const byte of lines(`POST ${POLL} HTTP/1.1\nHost: a\n${H2C}Content-Length: 5\n\nhello`)) {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until('it is answered', () => Buffer.concat(chunks).includes('number 1'));
    expect(seen).toMatchObject([{ body: 'hello' }]);
  });

  it('over TLS', async () => {
    const server = https.createServer({ cert: CERT, key: KEY });
    const { port, proxy } = await beforeHost({ server: server.listen(0, '127.0.0.1') });
    onCleanup(() => void server.close());
    await until('it listens', () => proxy.server.listening);
    const socket = tls.connect({ port, host: '127.0.0.1', ca: CERT, servername: 'localhost' });
    onCleanup(() => socket.destroy());
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    await once(socket, 'secureConnect');
    socket.write(lines(`POST ${POLL} HTTP/1.1\nHost: a\n${H2C}Content-Length: 5\n\nhello`));
    await until('it is answered', () => answer.includes('number 1'));
    expect(seen).toMatchObject([{ body: 'hello' }]);
  });

  it('as often as a client likes, and nothing is left at its socket', async () => {
    const { port, proxy } = await beforeHost();
    const sockets: net.Socket[] = [];
    proxy.server.on('connection', (socket: net.Socket) => sockets.push(socket));
    const counted: number[][] = [];
    proxy.server.on('request', (req: http.IncomingMessage) => {
      counted.push(['close', 'error', 'data', 'end', 'timeout', 'drain'].map((event) => req.socket.listenerCount(event)));
    });
    const last = `GET ${POLL} HTTP/1.1\nHost: a\nConnection: close\n\n`;
    const answer = await exchangeBytes(port, lines(`GET ${POLL} HTTP/1.1\nHost: a\n${H2C}\n`.repeat(50) + last));
    expect(statusesOf(answer)).toEqual(Array(51).fill('200'));
    expect(sockets).toHaveLength(1);
    expect(counted[49]).toEqual(counted[1]);
  });
});

/** With a parser that lets more through. */
function lenientServer(): http.Server {
  const server = http.createServer({ insecureHTTPParser: true }).listen(0, '127.0.0.1');
  onCleanup(() => server.close());
  return server;
}

it.each<[string, string, number]>([
  ['is malformed', 'Host: b\n', 400],
  ['is framed twice', 'Content-Length: 0\nTransfer-Encoding: chunked\n', 400],
  ['has more fields than Node shows', 'a: b\n'.repeat(1000), 431],
])('refuses one that %s, and closes its connection', async (_, fields, status) => {
  const { port } = await beforeHost({ server: lenientServer() });
  const next = `GET ${POLL}&next HTTP/1.1\nHost: a\n\n`;
  const answer = await exchangeBytes(port, lines(`POST ${POLL} HTTP/1.1\nHost: a\n${H2C}${fields}\n${next}`));
  expect(statusesOf(answer)).toEqual([String(status)]);
  expect(seen).toEqual([]);
});

describe('outside of `path`, an upgrade to anything but WebSocket is ignored, too', () => {
  const LAST = lines(`GET ${POLL} HTTP/1.1\nHost: a\nConnection: close\n\n`);

  it.each(['GET', 'HEAD'])('%s of the health path is answered', async (method) => {
    const { port } = await beforeHost({ healthPath: '/healthz' });
    const answer = await exchangeBytes(port, lines(`${method} /healthz HTTP/1.1\nHost: a\n${H2C}\n`) + LAST);
    expect([statusesOf(answer), answer]).toEqual([['200', '200'], expect.stringContaining('number 1')]);
  });

  it.each([['GET', ''], ['POST', 'Content-Length: 5\n']])('%s of an app on the same server', async (method, field) => {
    const server = http.createServer((req, res) => {
      let body = '';
      req.on('data', (chunk: Buffer) => (body += String(chunk))).on('end', () => res.end(`app ${req.method} ${body}`));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onCleanup(() => server.close());
    await beforeHost({ server });
    const { port } = server.address() as net.AddressInfo;
    const body = field === '' ? '' : 'hello';
    const ending = H2C.replace('keep-alive', 'close');
    const answer = await exchangeBytes(port, lines(`${method} /x HTTP/1.1\nHost: a\n${ending}${field}\n`) + body);
    expect([statusesOf(answer), answer]).toEqual([['200'], expect.stringContaining(`app ${method} ${body}`)]);
  });
});

it('refuses one over a stream that is no socket, and closes it', async () => {
  const server = http.createServer().listen(0, '127.0.0.1');
  onCleanup(() => server.close());
  await beforeHost({ server });
  const { stream, text } = foreignStream();
  server.emit('connection', stream);
  stream.push(lines(`GET ${POLL} HTTP/1.1\nHost: a\n${H2C}\n`));
  await once(stream, 'close');
  expect(statusesOf(text())).toEqual(['400']);
  expect(seen).toEqual([]);
});
