import { once } from 'node:events';
import http, { type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { Proxy } from '../../src';
import { onCleanup } from '../support/cleanup';
import { exchangeBytes } from '../support/http';
import type { ProxyInstance } from '../support/proxy';
import { before, openWebSocket, startSessionHost, type SessionHost } from '../support/session-host';
import { ownStore } from '../support/stores';
import { upgradeOf } from '../support/upgrades';

let host: SessionHost;

beforeAll(async () => {
  host = await startSessionHost();
});

async function startApp(): Promise<{ server: Server; url: string; port: number }> {
  const server = http.createServer().listen(0, '127.0.0.1');
  onCleanup(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { server, port, url: `http://127.0.0.1:${port}` };
}

function proxyOn(server: Server, path = '/socket.io/'): ProxyInstance {
  const proxy = new Proxy({ server, path, hosts: [host.name], store: ownStore(), drainTimeout: 0 });
  onCleanup(() => proxy.close());
  return proxy;
}

/** As a framework has it: it takes no upgrade, and ends them all. */
function destroyer(seen: string[] = []): (req: IncomingMessage, socket: Duplex) => void {
  return (req, socket) => {
    seen.push(req.url ?? '');
    socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
  };
}

/** A message there and back: the WebSocket lives. */
async function lives(url: string): Promise<void> {
  const socket = await openWebSocket(url);
  const pong = once(socket, 'pong');
  socket.ping();
  await pong;
}

it.each(['on', 'prependListener', 'once'] as const)("hides the proxy's upgrades from a listener that comes later, by %s", async (add) => {
  const { server, url, port } = await startApp();
  proxyOn(server);
  await lives(url);
  const seen: string[] = [];
  server[add]('upgrade', destroyer(seen));
  await lives(url);
  expect(seen).toEqual([]);
  expect(await exchangeBytes(port, upgradeOf().replace('/socket.io/', '/hot'))).toMatch(/^HTTP\/1\.1 404 /);
  expect(seen).toEqual([expect.stringMatching('^/hot')]);
});

it('gives later listeners what is not the path of any proxy, and all of it once the proxy is closed', async () => {
  const { server, url } = await startApp();
  const proxies = [proxyOn(server), proxyOn(server, '/other/')];
  const sockets = new WebSocketServer({ server, path: '/own/' });
  const own = async (path: string): Promise<void> => {
    const { WebSocket } = await import('ws');
    const socket = new WebSocket(url.replace('http', 'ws') + path);
    onCleanup(() => socket.terminate());
    await once(socket, 'open');
  };
  await own('/own/');
  await lives(url);
  await proxies[1]?.close();
  await lives(url);
  await own('/own/');
  await proxies[0]?.close();
  await own('/own/');
  await expect(openWebSocket(url)).rejects.toThrow('400');
  expect(Object.hasOwn(server, 'emit')).toBe(false);
  sockets.close();
  expect(server.listenerCount('upgrade')).toBe(0);
});

it.each(['on', 'prependListener'] as const)('shows upgrades on its own server to who watches by %s', async (add) => {
  const { proxy, url } = await before([host]);
  let seen = 0;
  proxy.server[add]('upgrade', () => (seen += 1));
  await lives(url);
  expect(seen).toBe(1);
});

it('leaves it to somebody who takes its listener away to call it', async () => {
  const { server, url } = await startApp();
  proxyOn(server);
  const taken = server.listeners('upgrade') as ((...args: unknown[]) => void)[];
  let calls = 0;
  server.removeAllListeners('upgrade').on('upgrade', (...args) => {
    calls += 1;
    for (const listener of taken) Reflect.apply(listener, server, args);
  });
  await lives(url);
  expect(calls).toBe(1);
});

it.each([['before', 'in place'], ['after', 'in place'], ['after', 'closed']])(
  'works with an emit that was replaced %s it, as by monitoring, also while the proxy is %s',
  async (when, state) => {
    const { server, url, port } = await startApp();
    const seen: string[] = [];
    const replace = (): void => {
      const emit = server.emit.bind(server);
      server.emit = (event: string, ...args: unknown[]) => {
        seen.push(event);
        return emit(event, ...args);
      };
    };
    if (when === 'before') replace();
    const emitOf = (): unknown => Reflect.get(server, 'emit');
    const replaced = when === 'before' ? emitOf() : undefined;
    const proxy = proxyOn(server);
    if (when === 'after') replace();
    server.on('upgrade', destroyer());
    if (state === 'in place') {
      await lives(url);
    } else {
      await proxy.close();
      expect(await exchangeBytes(port, upgradeOf())).toMatch(/^HTTP\/1\.1 404 /);
      // One guard is enough for those that come again.
      const emit = emitOf();
      proxyOn(server);
      await lives(url);
      expect(emitOf()).toBe(emit);
    }
    expect(seen).toContain('connection');
    await proxy.close();
    if (replaced) expect(emitOf()).toBe(replaced);
  },
);
