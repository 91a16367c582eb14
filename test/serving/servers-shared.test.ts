import { once } from 'node:events';
import http, { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Proxy } from '../../src';
import { onCleanup } from '../support/cleanup';
import { handshake, request, startServer } from '../support/http';
import type { ProxyInstance } from '../support/proxy';
import { startSessionHost } from '../support/session-host';
import { ownStore } from '../support/stores';

async function proxyOn(server: Server, path: string): Promise<ProxyInstance> {
  const host = await startSessionHost();
  const proxy = new Proxy({ server, path, hosts: [host.name], store: ownStore(), drainTimeout: 0 });
  onCleanup(() => proxy.close());
  return proxy;
}

it.each([[[0, 1, 2]], [[2, 1, 0]], [[1, 0, 2]]])('has several proxies, closed in any order: %p', async (order) => {
  let calls = 0;
  const { server, name } = await startServer((_, res) => {
    calls += 1;
    res.end("the app's");
  });
  const url = `http://${name}`;
  const listenersOf = (): unknown[] => ['request', 'upgrade', 'listening', 'error'].map((event) => server.listeners(event));
  const listeners = listenersOf();
  const paths = ['/a/', '/b/', '/c/'];
  const proxies = [await proxyOn(server, '/a/'), await proxyOn(server, '/b/'), await proxyOn(server, '/c/')];
  const open = new Set(paths);
  for (const at of [undefined, ...order]) {
    if (at !== undefined) {
      await proxies[at]?.close();
      open.delete(paths[at] ?? '');
    }
    for (const path of paths) {
      if (open.has(path)) await handshake(url, path);
      else expect((await request(url + path)).body).toBe("the app's");
    }
    calls = 0;
    expect((await request(`${url}/other`)).body).toBe("the app's");
    expect(calls).toBe(1);
  }
  expect(listenersOf()).toEqual(listeners);
});

it.each([['the proxy', 'the others'], ['the others', 'the proxy']])(
  'goes on with the listeners of who was attached behind it, where %s are closed first, and never calls any twice',
  async (first) => {
    const calls: string[] = [];
    const { server, name } = await startServer((req, res) => {
      calls.push(req.url ?? '');
      res.end("the app's");
    });
    const url = `http://${name}`;
    const proxy = await proxyOn(server, '/a/');
    // As Engine.IO attaches itself: it takes the listeners away, and calls them for what is not its own.
    const taken = server.listeners('request') as ((...args: unknown[]) => void)[];
    server.removeAllListeners('request').on('request', (req: IncomingMessage, res: ServerResponse) => {
      if (req.url?.startsWith('/own/')) res.end('its own');
      else for (const listener of taken) Reflect.apply(listener, server, [req, res]);
    });
    const bodiesOf = async (...paths: string[]): Promise<string[]> =>
      Promise.all(paths.map(async (path) => (await request(url + path)).body));
    expect(await bodiesOf('/own/', '/other')).toEqual(['its own', "the app's"]);
    await handshake(url, '/a/');
    if (first === 'the proxy') {
      await proxy.close();
      expect(await bodiesOf('/own/', '/a/', '/other')).toEqual(['its own', "the app's", "the app's"]);
    } else {
      server.removeAllListeners('request');
      for (const listener of taken) server.on('request', listener);
      await proxy.close();
      expect(await bodiesOf('/a/', '/other')).toEqual(["the app's", "the app's"]);
      expect(server.listeners('request')).not.toEqual(taken);
    }
    const another = await proxyOn(server, '/a/');
    await handshake(url, '/a/');
    await another.close();
    calls.length = 0;
    await bodiesOf('/other', '/a/');
    expect([...calls].sort()).toEqual(['/a/', '/other']);
    expect(server.listenerCount('request')).toBe(1);
  },
);

it('leaves to listeners that came later what is theirs, also where somebody has taken them away to call them himself', async () => {
  const server = http.createServer().listen(0, '127.0.0.1');
  onCleanup(() => server.close());
  await once(server, 'listening');
  await proxyOn(server, '/a/');
  server.on('request', (req, res) => {
    if (req.url?.startsWith('/a/') === false) res.end("the app's");
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect((await request(`${url}/other`)).body).toBe("the app's");
  const taken = server.listeners('request') as ((...args: unknown[]) => void)[];
  server.removeAllListeners('request').on('request', (...args) => {
    for (const listener of taken) Reflect.apply(listener, server, args);
  });
  expect((await request(`${url}/other`)).body).toBe("the app's");
  await handshake(url, '/a/');
});

it('calls a listener of once when its time comes, and then no more', async () => {
  const { server, name } = await startServer((_, res) => res.end());
  const url = `http://${name}/other`;
  const calls: string[] = [];
  server.once('request', () => calls.push('before'));
  const proxy = await proxyOn(server, '/a/');
  for (let i = 0; i < 2; i += 1) await request(url);
  expect(calls).toEqual(['before']);
  server.once('request', () => calls.push('beside'));
  await proxy.close();
  for (let i = 0; i < 2; i += 1) await request(url);
  expect([calls, server.listenerCount('request')]).toEqual([['before', 'beside'], 1]);
});

it('refuses once what no proxy on a server takes', async () => {
  const server = http.createServer().listen(0, '127.0.0.1');
  onCleanup(() => server.close());
  await once(server, 'listening');
  await proxyOn(server, '/a/');
  await proxyOn(server, '/b/');
  const { port } = server.address() as AddressInfo;
  expect(await request(`http://127.0.0.1:${port}/other`)).toMatchObject({ status: 400 });
});

describe('an error of a server with two proxies', () => {
  async function failing(): Promise<{ server: Server; proxies: [ProxyInstance, ProxyInstance]; port: number }> {
    const { port } = await startServer(() => {});
    const server = http.createServer();
    return { server, proxies: [await proxyOn(server, '/a/'), await proxyOn(server, '/b/')], port };
  }

  it('is told by each whose error is listened for', async () => {
    const { proxies, port } = await failing();
    const told = once(proxies[1], 'error');
    proxies[0].listen(port, '127.0.0.1');
    expect(await told).toEqual([expect.objectContaining({ code: 'EADDRINUSE' })]);
  });

  it('is thrown where nobody listens for it', async () => {
    const { server } = await failing();
    expect(() => server.emit('error', new Error('EADDRINUSE'))).toThrow('EADDRINUSE');
  });
});
