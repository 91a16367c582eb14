import { once } from 'node:events';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { MemoryStore, Proxy, type AccessEntry, type ProxyOptions } from '../../src';
import { createServer } from '../../src/serving/server';
import { resolveOptions } from '../../src/options/options';
import { onCleanup } from '../support/cleanup';
import { stopClock } from '../support/clock';
import { startServer } from '../support/http';
import { startProxy, type ProxyInstance } from '../support/proxy';
import { CERT, KEY } from '../support/tls';
import { until } from '../support/until';

const store = new MemoryStore();
const V1 = 'PROXY TCP4 203.0.113.7 192.0.2.1 8080 443\r\n';
const V2 = Buffer.from('0d0a0d0a000d0a515549540a2111000ccb007107c00002011f9001bb', 'hex');
const LOCAL = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex');
const GET = 'GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
const PLAIN = GET.replace('Connection: close\r\n', '');
const UPGRADE = 'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

/** A host that answers each request with its own X-Forwarded-For. */
async function startHost(): Promise<string> {
  const { server, name } = await startServer(({ headers }, res) => res.end(`from ${String(headers['x-forwarded-for'])}.`));
  server.on('upgrade', ({ headers }, socket) => socket.end(`HTTP/1.1 200 OK\r\n\r\nfrom ${String(headers['x-forwarded-for'])}.`));
  return name;
}

async function before(options: Partial<ProxyOptions> = {}): Promise<{ proxy: ProxyInstance; port: number }> {
  return startProxy({ hosts: [await startHost()], proxyProtocol: true, trustProxy: ['127.0.0.1'], ...options });
}

/** As the command makes one with TLS. */
async function beforeWithTls(options: Partial<ProxyOptions> = {}): Promise<{ proxy: ProxyInstance; port: number }> {
  const hosts = [await startHost()];
  const server = createServer(resolveOptions({ store, hosts }), { cert: CERT, key: KEY });
  const all = { hosts, store, server, proxyProtocol: true, trustProxy: ['127.0.0.1'], drainTimeout: 0, ...options };
  const proxy = new Proxy(all, { ownsServer: true });
  onCleanup(() => proxy.close());
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return { proxy, port: (server.address() as net.AddressInfo).port };
}

function connect(port: number, localAddress = '127.0.0.1'): net.Socket {
  const socket = net.connect({ port, host: '127.0.0.1', localAddress });
  onCleanup(() => socket.destroy());
  return socket.setNoDelay();
}

/** All that is answered until the connection ends. */
async function answerOf(socket: net.Socket): Promise<string> {
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1'))).on('error', () => {});
  await once(socket, 'close');
  return answer;
}

/** What is answered to these bytes, each in a packet of its own. */
async function ask(port: number, chunks: (string | Buffer)[], localAddress?: string): Promise<string> {
  const socket = connect(port, localAddress);
  const answer = answerOf(socket);
  for (const chunk of chunks) await new Promise<void>((resolve) => void socket.write(chunk, () => setImmediate(resolve)));
  return answer;
}

const joined = (...parts: (string | Buffer)[]): Buffer => Buffer.concat(parts.map((part) => Buffer.from(part)));
const causes = async (proxy: ProxyInstance): Promise<object> => (await proxy.parts.operations.totals()).refusals;

describe.each([true, false])('with fastPath: %s', (fastPath) => {
  it.each([['1', V1], ['2', V2]])('takes the client that a header of version %s names', async (_, sent) => {
    const { proxy, port } = await before({ fastPath });
    const told = once(proxy, 'access') as Promise<[AccessEntry]>;
    for (const request of [GET, UPGRADE]) {
      const bytes = Array.from(joined(sent, request), (byte) => Buffer.from([byte]));
      for (const chunks of [[joined(sent, request)], [sent, request], bytes]) {
        expect(await ask(port, chunks)).toContain('from 203.0.113.7.');
      }
    }
    expect((await told)[0]).toMatchObject({ client: '203.0.113.7', status: 200 });
    expect(await causes(proxy)).toEqual({});
  });

  it('serves the connection on, and keeps the client', async () => {
    const { proxy, port } = await before({ fastPath });
    const clients: string[] = [];
    proxy.on('access', ({ client }) => clients.push(client));
    const socket = connect(port);
    let answers = '';
    socket.on('data', (chunk: Buffer) => (answers += chunk.toString()));
    socket.write(joined(V2, PLAIN));
    for (let i = 1; i <= 5; i += 1) {
      await until('it is answered', () => answers.split('from 203.0.113.7.').length === i + 1);
      socket.write(PLAIN);
    }
    expect(new Set(clients)).toEqual(new Set(['203.0.113.7']));
  });

  it('takes the connection\'s own address where the header names none', async () => {
    const { port } = await before({ fastPath });
    for (const header of [LOCAL, 'PROXY UNKNOWN\r\n']) expect(await ask(port, [joined(header, GET)])).toContain('from 127.0.0.1.');
  });

  it('goes in front of TLS, with the ClientHello in the same packet too', async () => {
    const { proxy, port } = await beforeWithTls({ fastPath });
    const told = once(proxy, 'access') as Promise<[AccessEntry]>;
    for (const [i, header] of [V1, V2, LOCAL].entries()) {
      for (const isJoined of [true, false]) {
        const raw = connect(port);
        await once(raw, 'connect');
        if (isJoined) raw.cork();
        raw.write(header);
        const socket = tls.connect({ socket: raw, ca: CERT, servername: 'localhost' });
        if (isJoined) setImmediate(() => raw.uncork());
        socket.write(GET);
        expect(await answerOf(socket)).toContain(i === 2 ? 'from 127.0.0.1.' : 'from 203.0.113.7.');
      }
    }
    expect((await told)[0]).toMatchObject({ client: '203.0.113.7' });
  });

  it.each<[what: string, bytes: (string | Buffer)[]]>([
    ['no header', [GET]], ['a request by and by', ['G', 'ET / HTTP/1.1\r\n\r\n']], ['a malformed header', ['PROXY TCP4 a b 1 2\r\n', GET]],
    ['an endless header', ['PROXY UNKNOWN ', 'x'.repeat(200)]],
    ['too long a header', [joined(LOCAL.subarray(0, 14), Buffer.from([0x10, 0x01]))]],
    ['the begin of TLS', [Buffer.from('16030100c8010000c40303', 'hex')]],
  ])('cuts a trusted connection with %s, and counts it', async (_, chunks) => {
    const { proxy, port } = await before({ fastPath });
    const told = once(proxy, 'suspicious') as Promise<[unknown, string]>;
    expect(await ask(port, chunks)).toBe('');
    expect(await causes(proxy)).toEqual({ '3 proxy_header': 1 });
    expect(await told).toEqual([
      undefined, 'a connection from 127.0.0.1 was cut, which has to begin with a PROXY header: it began with none that can be read',
    ]);
  });

  it('takes a second header for a malformed request', async () => {
    const { port } = await before({ fastPath });
    for (const [one, two] of [[V1, V1], [V2, V2], [V1, V2], [LOCAL, V1]] as const) {
      expect(await ask(port, [joined(one, two, GET)])).toMatch(/^HTTP\/1\.1 400 /);
      expect(await ask(port, [one, joined(two, GET)])).toMatch(/^HTTP\/1\.1 400 /);
    }
  });

  it('reads other connections as HTTP, in which a header is a malformed request', async () => {
    const { proxy, port } = await before({ fastPath });
    expect(await ask(port, [GET], '127.0.0.2')).toContain('from 127.0.0.2.');
    for (const header of [V1, V2]) expect(await ask(port, [joined(header, GET)], '127.0.0.2')).toMatch(/^HTTP\/1\.1 400 /);
    expect(await causes(proxy)).toEqual({});
  });
});

it('believes headers about clients of a client in the networks alone, and else of nobody', async () => {
  const { port } = await before({ trustProxy: ['127.0.0.1', '203.0.113.7'] });
  const claims = GET.replace('Host: a', 'Host: a\r\nX-Forwarded-For: 1.1.1.1');
  expect(await ask(port, [joined(V1, claims)])).toContain('from 1.1.1.1, 203.0.113.7.');
  expect(await ask(port, [joined(V1.replace('203.0.113.7', '203.0.113.8'), claims)])).toContain('from 203.0.113.8.');
  expect(await ask(port, [joined(LOCAL, claims)])).toContain('from 1.1.1.1, 127.0.0.1.');
});

it('trusts everyone, and unix sockets, with trustProxy: true', async () => {
  const { port } = await before({ trustProxy: true });
  expect(await ask(port, [joined(V1, GET)], '127.0.0.9')).toContain('from 203.0.113.7.');
  expect(await ask(port, [GET], '127.0.0.9')).toBe('');
  const proxy = new Proxy({ hosts: [await startHost()], store, drainTimeout: 0, proxyProtocol: true, trustProxy: true });
  onCleanup(() => proxy.close());
  const path = join(tmpdir(), `proxy-protocol-${process.pid}.sock`);
  proxy.listen(path);
  await once(proxy, 'listening');
  const socket = net.connect(path);
  onCleanup(() => socket.destroy());
  socket.write(joined(V1, GET));
  expect(await answerOf(socket)).toContain('from 203.0.113.7.');
});

it.each([[{}, 5000], [{ headersTimeout: 100 }, 100]])('cuts a late header, and says so once a minute: %j', async (options, time) => {
  const clock = stopClock();
  const { proxy, port } = await before(options);
  const told: string[] = [];
  proxy.on('suspicious', (_, text) => told.push(text));
  const sockets = [connect(port), connect(port)];
  const answers = sockets.map(answerOf);
  for (const socket of sockets) socket.write('PROXY TCP4 1');
  await until('they are read', () => new Promise<boolean>((resolve) => {
    proxy.server.getConnections((_, count) => resolve(count === 2));
  }));
  expect(await clock.advanceUntil('they are cut', () => sockets.every(({ closed }) => closed), time / 4)).toBe(time);
  expect(await Promise.all(answers)).toEqual(['', '']);
  expect(await causes(proxy)).toEqual({ '3 proxy_header': 2 });
  expect(told).toEqual([`a connection from 127.0.0.1 was cut, which has to begin with a PROXY header: it had none after ${time} ms`]);
});

it('counts no connection that its other end closes, as a check of a port does', async () => {
  const { proxy, port } = await before();
  for (const bytes of ['', 'PROXY ']) {
    const socket = connect(port);
    socket.end(bytes);
    expect(await answerOf(socket)).toBe('');
    const reset = connect(port);
    await once(reset, 'connect');
    reset.resetAndDestroy();
  }
  expect(await ask(port, [joined(V1, GET)])).toContain('from 203.0.113.7.');
  expect(await causes(proxy)).toEqual({});
});

it('cuts what waits for its header when the proxy closes', async () => {
  const { proxy, port } = await before({ drainTimeout: 100_000 });
  const socket = connect(port);
  const answer = answerOf(socket);
  await once(proxy.server, 'connection');
  socket.write('PROXY ');
  await proxy.close();
  expect(await answer).toBe('');
  expect(await causes(proxy)).toEqual({});
});

it('is refused without trustProxy, and with a server of the caller\'s', () => {
  const hosts = ['localhost:3000'];
  expect(() => new Proxy({ store, hosts, proxyProtocol: true }))
    .toThrow(new TypeError("'proxyProtocol' must be left out where 'trustProxy' is false, received true"));
  const server = createServer(resolveOptions({ store, hosts }));
  expect(() => new Proxy({ store, hosts, server, proxyProtocol: true, trustProxy: true }))
    .toThrow(new TypeError("'proxyProtocol' must be left out where 'server' is given, received true"));
});
