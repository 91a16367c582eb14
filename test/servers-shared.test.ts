import { once } from 'node:events';
import http, { type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MemoryStore, Proxy } from '../src';
import { onCleanup } from './support/cleanup';
import { handshake, request, startServer } from './support/http';
import type { ProxyInstance } from './support/proxy';
import { startSessionHost } from './support/session-host';

async function proxyOn(server: Server, path: string): Promise<ProxyInstance> {
  const host = await startSessionHost();
  const proxy = new Proxy({ server, path, hosts: [host.name], store: new MemoryStore(), drainTimeout: 0 });
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
