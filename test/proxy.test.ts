import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket, { WebSocketServer } from 'ws';
import { Proxy, type ProxyOptions } from '../src';
import { onCleanup } from './support/cleanup';
import { handshake, request, startServer } from './support/http';
import { startProxy, type ProxyInstance } from './support/proxy';
import { startSessionHost, type SessionHost } from './support/session-host';
import { ownStore } from './support/stores';
import { CERT, startTlsServer } from './support/tls';

let host: SessionHost;

beforeAll(async () => {
  host = await startSessionHost();
});

function newProxy(options: Partial<ProxyOptions> = {}): ProxyInstance {
  const proxy = new Proxy({ store: ownStore(), hosts: [host.name], drainTimeout: 0, ...options } as ProxyOptions);
  onCleanup(() => proxy.close());
  return proxy;
}

describe('listen', () => {
  const socketPath = join(tmpdir(), `proxy-${process.pid}.sock`);
  it.each<[string, unknown[]]>([
    ['a port', [0]],
    ['a port as a string', ['0']],
    ['a port and a host', [0, '127.0.0.1']],
    ['a port, a host and a backlog', [0, '127.0.0.1', 16]],
    ['options', [{ port: 0, host: '127.0.0.1', exclusive: true }]],
    ['a path', [socketPath]],
    ['nothing', []],
  ])('takes %s, and a callback', async (_, args) => {
    const proxy = newProxy();
    const events: string[] = [];
    proxy.on('listening', () => events.push('listening'));
    await new Promise<void>((resolve) => {
      expect(Reflect.apply(proxy.listen.bind(proxy), undefined, [...args, resolve])).toBe(proxy);
    });
    expect(events).toEqual(['listening']);
    const address = proxy.server.address();
    const target = typeof address === 'string' ? { socketPath: address } : { port: address?.port };
    const reply = await request('http://127.0.0.1/socket.io/?EIO=4&transport=polling', target);
    expect(reply.body).toMatch(/^0\{"sid":/);
  });

  it('tells by an event that the port is taken', async () => {
    const { port } = await startServer(() => {});
    const proxy = newProxy();
    const failed = once(proxy, 'error');
    proxy.listen(port, '127.0.0.1');
    await expect(failed).resolves.toEqual([expect.objectContaining({ code: 'EADDRINUSE' })]);
  });

  it('leaves the error to a listener of the server\'s own', async () => {
    const { port } = await startServer(() => {});
    const proxy = newProxy();
    const failed = once(proxy.server, 'error');
    proxy.listen(port, '127.0.0.1');
    await expect(failed).resolves.toEqual([expect.objectContaining({ code: 'EADDRINUSE' })]);
  });
});

describe('close', () => {
  it('resolves, calls back, tells by an event, and frees the port', async () => {
    const { proxy, port } = await startProxy({ hosts: [host.name] });
    const told = once(proxy, 'close');
    const calledBack = new Promise<void>((resolve) => void proxy.close(resolve));
    await Promise.all([told, calledBack, proxy.close()]);
    const server = net.createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    server.close();
  });

  it('resolves for a proxy that never listened', async () => {
    await expect(newProxy().close()).resolves.toBeUndefined();
  });
});

describe('the server that a proxy makes', () => {
  it('keeps idle connections for longer than common load balancers, and bounds heads and requests', () => {
    const { server } = newProxy();
    expect([server.keepAliveTimeout, server.headersTimeout, server.requestTimeout]).toEqual([75_000, 20_000, 120_000]);
  });

  it('takes the options for it', async () => {
    const options = { keepAliveTimeout: 1111, headersTimeout: 2222, requestTimeout: 3333, maxHeaderSize: 2048 };
    const { proxy: { server }, url } = await startProxy({ hosts: [host.name], ...options });
    expect([server.keepAliveTimeout, server.headersTimeout, server.requestTimeout]).toEqual([1111, 2222, 3333]);
    expect((await request(`${url}/socket.io/`, { headers: { 'X-Large': 'x'.repeat(3000) } })).status).toBe(431);
  });
});

describe('a server of the caller\'s', () => {
  it('keeps its requests and upgrades on other paths', async () => {
    const { server } = await startServer((req, res) => res.end(`the caller's ${req.url ?? ''}`));
    const wss = new WebSocketServer({ noServer: true });
    server.on('upgrade', (req, socket, head) => wss.handleUpgrade(req, socket, head, (ws) => ws.send(req.url ?? '')));
    const { url } = await startProxy({ server, hosts: [host.name] });
    expect((await request(`${url}/other`)).body).toBe('the caller\'s /other');
    expect((await request(`${url}/socket.iox/`)).body).toBe('the caller\'s /socket.iox/');
    await handshake(url);
    const socket = new WebSocket(`${url.replace('http', 'ws')}/other`);
    const [message] = await once(socket, 'message') as [Buffer];
    expect(message.toString()).toBe('/other');
    socket.terminate();
    const session = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    const [packet] = await once(session, 'message') as [Buffer];
    expect(packet.toString()).toMatch(/^0\{"sid":/);
    session.terminate();
  });

  it('may be one of https: requests and WebSockets come over TLS, and hosts are told so', async () => {
    const { server, name } = await startTlsServer((_, res) => res.end('the caller\'s'));
    const seen: http.IncomingHttpHeaders[] = [];
    const behind = await startServer(({ headers }, res) => {
      seen.push(headers);
      res.end();
    });
    new WebSocketServer({ server: behind.server }).on('connection', (ws, { headers }) => {
      seen.push(headers);
      ws.on('message', (data) => ws.send(data));
    });
    await startProxy({ server, hosts: [behind.name] });
    expect((await request(`${name}/other`, { ca: CERT })).body).toBe('the caller\'s');
    await request(`${name}/socket.io/?EIO=4&transport=polling`, { ca: CERT });
    const socket = new WebSocket(`${name.replace('https', 'wss')}/socket.io/?EIO=4&transport=websocket`, { ca: CERT });
    await once(socket, 'open');
    socket.send('2probe');
    expect(String((await once(socket, 'message'))[0])).toBe('2probe');
    socket.terminate();
    const told = ['https', name.split(':').at(-1)];
    // The first was a health check.
    expect(seen.slice(1).map((headers) => [headers['x-forwarded-proto'], headers['x-forwarded-port']])).toEqual([told, told]);
  });

  it('has requests that nobody takes refused', async () => {
    const server = http.createServer().listen(0, '127.0.0.1');
    onCleanup(() => server.close());
    await once(server, 'listening');
    const { url } = await startProxy({ server, hosts: [host.name] });
    expect((await request(`${url}/other`)).status).toBe(400);
    const socket = new WebSocket(`${url.replace('http', 'ws')}/other`);
    await expect(once(socket, 'open')).rejects.toThrow('Unexpected server response: 400');
  });

  it('stays open when the proxy is closed, and gets its listeners back', async () => {
    const { server } = await startServer((_, res) => res.end('the caller\'s'));
    const before = server.listeners('request');
    const { proxy, url } = await startProxy({ server, hosts: [host.name] });
    await handshake(url);
    await proxy.close();
    expect(server.listening).toBe(true);
    expect(server.listeners('request')).toEqual(before);
    expect((await request(`${url}/socket.io/?EIO=4&transport=polling`)).body).toBe('the caller\'s');
  });

  it('is taken before it listens as well', async () => {
    const server = http.createServer();
    const proxy = newProxy({ server });
    const listening = once(proxy, 'listening');
    server.listen(0, '127.0.0.1');
    await listening;
    const { port } = server.address() as net.AddressInfo;
    await handshake(`http://127.0.0.1:${port}`);
    await proxy.close();
    server.close();
  });
});
