import { once } from 'node:events';
import type { IncomingMessage, RequestListener } from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { Proxy, type ProxyOptions } from '../../src';
import { onCleanup } from '../support/cleanup';
import { startServer } from '../support/http';
import { startProxy } from '../support/proxy';
import { ownStore } from '../support/stores';
import { CERT, startTlsServer } from '../support/tls';

const KINDS = {
  request: ['GET /socket.io/?EIO=4 HTTP/1.1', 'Connection: close'],
  upgrade: [
    'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket',
    'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ],
};

type Kind = keyof typeof KINDS;

/** Answers with the headers that have arrived. */
const tells: RequestListener = ({ rawHeaders }, res) => res.end(JSON.stringify(rawHeaders));

/** A host that tells what has arrived, of requests and of upgrades, which it does not accept. */
async function startHost(): Promise<string> {
  const { server, name } = await startServer(tells);
  server.on('upgrade', ({ rawHeaders }: IncomingMessage, socket: Duplex) => {
    socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${JSON.stringify(rawHeaders)}`);
  });
  return name;
}

async function behind(options: Partial<ProxyOptions> = {}): Promise<number> {
  return (await startProxy({ hosts: [await startHost()], ...options })).port;
}

/** Sends the lines on a connection, and resolves with the headers that tell a host of proxies, one for each line. */
async function forwarded(socket: net.Socket, kind: Kind, lines: string[], host = 'chat.example'): Promise<string[]> {
  onCleanup(() => socket.destroy());
  const [target = '', ...others] = KINDS[kind];
  const names = host ? [`Host: ${host}`] : [];
  socket.write([host ? target : target.replace('1.1', '1.0'), ...names, ...others, ...lines, '', ''].join('\r\n'));
  let response = '';
  socket.setEncoding('latin1').on('data', (text: string) => (response += text));
  await once(socket, 'close');
  const rawHeaders = JSON.parse(/\[.*\]/.exec(response)?.[0] ?? response) as string[];
  return rawHeaders.flatMap((name, i) => (i % 2 === 0 && /forwarded|real-ip/i.test(name) ? [`${name}: ${rawHeaders[i + 1]}`] : []));
}

const connect = (port: number, host = '127.0.0.1'): net.Socket => net.connect(port, host);

const CLAIMS = [
  'X-Forwarded-For: 203.0.113.7', 'X-FORWARDED-FOR: 198.51.100.1', 'X-Forwarded-Proto: https', 'x-forwarded-host: front.example:8443',
  'X-Forwarded-Port: 444', 'X-Forwarded-Prefix: /admin', 'Forwarded: for=203.0.113.7;proto=https', 'X-Real-IP: 203.0.113.7',
];

const SEEN = ['x-forwarded-for: 127.0.0.1', 'x-forwarded-proto: http', 'x-forwarded-host: chat.example', 'x-forwarded-port: 80'];

describe.each(['request', 'upgrade'] as const)('of a %s', (kind) => {
  describe('without trustProxy', () => {
    it('tells the host what the proxy sees', async () => {
      expect(await forwarded(connect(await behind()), kind, [])).toEqual(SEEN);
    });

    it('replaces or drops what others claim', async () => {
      expect(await forwarded(connect(await behind()), kind, CLAIMS)).toEqual(SEEN);
    });

    it('drops it with xfwd: false as well, and adds nothing', async () => {
      expect(await forwarded(connect(await behind({ xfwd: false })), kind, CLAIMS)).toEqual([]);
    });
  });

  describe('with trustProxy', () => {
    it('tells the host what the proxy sees where nothing came', async () => {
      expect(await forwarded(connect(await behind({ trustProxy: true })), kind, [])).toEqual(SEEN);
    });

    it('adds the peer to the chain, and keeps the rest', async () => {
      expect(await forwarded(connect(await behind({ trustProxy: true })), kind, CLAIMS)).toEqual([
        'x-forwarded-for: 203.0.113.7, 198.51.100.1, 127.0.0.1', 'x-forwarded-proto: https',
        'x-forwarded-host: front.example:8443', 'x-forwarded-port: 444', ...CLAIMS.slice(5),
      ]);
    });

    it('passes all of it on as it came with xfwd: false', async () => {
      expect(await forwarded(connect(await behind({ trustProxy: true, xfwd: false })), kind, CLAIMS)).toEqual(CLAIMS);
    });

    it.each([true, false])('keeps what a Connection header names (xfwd: %s)', async (xfwd) => {
      const lines = ['Connection: X-Forwarded-For, X-Real-IP, X-Forwarded-Proto', 'X-Real-IP: 203.0.113.7', ...CLAIMS.slice(0, 3)];
      const found = String(await forwarded(connect(await behind({ trustProxy: true, xfwd })), kind, lines));
      for (const part of ['203.0.113.7', '198.51.100.1', 'https', 'X-Real-IP']) expect(found).toContain(part);
    });

    it.each([
      [['X-Forwarded-For: ', 'X-Forwarded-Proto: ', 'X-Forwarded-Host: ', 'X-Forwarded-Port: '], SEEN],
      [['X-Forwarded-Proto: https'], ['127.0.0.1', 'https', 'chat.example', '443']],
      [['X-Forwarded-Proto: wss'], ['127.0.0.1', 'wss', 'chat.example', '443']],
      [['X-Forwarded-Proto: https, http'], ['127.0.0.1', 'https, http', 'chat.example', '443']],
      [['X-Forwarded-Host: front.example:8443'], ['127.0.0.1', 'http', 'front.example:8443', '8443']],
      [['X-Forwarded-Host: a.example:81, b.example:82'], ['127.0.0.1', 'http', 'a.example:81, b.example:82', '81']],
    ])('sets what has not come by what has: %j', async (lines, expected) => {
      const found = await forwarded(connect(await behind({ trustProxy: true })), kind, lines);
      expect(found).toEqual(expected.map((value, i) => (value.startsWith('x-') ? value : `${SEEN[i]?.split(':')[0]}: ${value}`)));
    });
  });

  describe('with networks', () => {
    it.each(['127.0.0.1', 'loopback', '127.0.0.0/8'])('adds a peer of theirs to the chain: %s', async (network) => {
      const found = await forwarded(connect(await behind({ trustProxy: ['10.0.0.0/8', network] })), kind, CLAIMS);
      expect(found[0]).toBe('x-forwarded-for: 203.0.113.7, 198.51.100.1, 127.0.0.1');
      expect(found.slice(4)).toEqual(CLAIMS.slice(5));
    });

    it('replaces or drops what others claim', async () => {
      expect(await forwarded(connect(await behind({ trustProxy: ['127.0.0.2', '::1'] })), kind, CLAIMS)).toEqual(SEEN);
    });

    it('tells peers of one proxy apart, and knows IPv4 in IPv6', async () => {
      const proxy = new Proxy({ hosts: [await startHost()], store: ownStore(), drainTimeout: 0, trustProxy: ['127.0.0.2'] });
      onCleanup(() => proxy.close());
      proxy.listen(0, '::');
      await once(proxy, 'listening');
      const { port } = proxy.server.address() as net.AddressInfo;
      const from = (localAddress: string): net.Socket => net.connect({ port, host: '127.0.0.1', localAddress });
      expect(await forwarded(from('127.0.0.2'), kind, CLAIMS)).toContain('x-forwarded-for: 203.0.113.7, 198.51.100.1, 127.0.0.2');
      expect(await forwarded(from('127.0.0.3'), kind, CLAIMS)).toEqual(['x-forwarded-for: 127.0.0.3', ...SEEN.slice(1)]);
      expect(await forwarded(connect(port, '::1'), kind, CLAIMS)).toEqual(['x-forwarded-for: ::1', ...SEEN.slice(1)]);
    });
  });

  it.each([
    ['chat.example:8080', '8080'], ['[2001:db8::1]', '80'], ['[2001:db8::1]:8080', '8080'], ['chat.example:', '80'],
    ['8080', '80'], ['chat.example:99999', '80'],
  ])('takes the port from the Host %s: %s', async (host, port) => {
    const found = await forwarded(connect(await behind()), kind, [], host);
    expect(found.slice(2)).toEqual([`x-forwarded-host: ${host}`, `x-forwarded-port: ${port}`]);
  });

  it('tells of no host where none came', async () => {
    expect(await forwarded(connect(await behind()), kind, [], '')).toEqual([SEEN[0], SEEN[1], SEEN[3]]);
  });

  it('writes an IPv4 client of an IPv6 listener as IPv4, and an IPv6 client as it is', async () => {
    const proxy = new Proxy({ hosts: [await startHost()], store: ownStore(), drainTimeout: 0 });
    onCleanup(() => proxy.close());
    proxy.listen(0, '::');
    await once(proxy, 'listening');
    const { port } = proxy.server.address() as net.AddressInfo;
    expect(await forwarded(connect(port), kind, [])).toContain('x-forwarded-for: 127.0.0.1');
    expect(await forwarded(connect(port, '::1'), kind, [])).toContain('x-forwarded-for: ::1');
  });

  it('tells of no address on a unix socket, and keeps the chain that it trusts', async () => {
    const hosts = [await startHost()];
    for (const trustProxy of [false, true]) {
      const proxy = new Proxy({ hosts, store: ownStore(), drainTimeout: 0, trustProxy });
      onCleanup(() => proxy.close());
      const path = join(tmpdir(), `trust-${process.pid}-${kind}-${trustProxy}.sock`);
      proxy.listen(path);
      await once(proxy, 'listening');
      expect(await forwarded(net.connect(path), kind, [])).toEqual(SEEN.slice(1));
      const found = await forwarded(net.connect(path), kind, ['X-Forwarded-For: 203.0.113.7']);
      expect(found).toEqual(trustProxy ? ['x-forwarded-for: 203.0.113.7', ...SEEN.slice(1)] : SEEN.slice(1));
    }
  });

  it('tells of https on a server of TLS', async () => {
    const { server, port } = await startTlsServer(tells);
    await startProxy({ server, hosts: [await startHost()] });
    const socket = tls.connect({ port, host: '127.0.0.1', ca: CERT });
    expect(await forwarded(socket, kind, ['X-Forwarded-Proto: http']))
      .toEqual([SEEN[0], 'x-forwarded-proto: https', SEEN[2], 'x-forwarded-port: 443']);
  });
});
