import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Proxy } from '../../src';
import { onCleanup } from '../support/cleanup';
import type { ProxyInstance } from '../support/proxy';
import { ownStore } from '../support/stores';

/** A proxy, and what it finds suspicious. */
function proxyOn(server?: http.Server, options = {}): { proxy: ProxyInstance; told: (string | undefined)[][] } {
  const proxy = new Proxy({ hosts: ['127.0.0.1:1'], store: ownStore(), drainTimeout: 0, ...options, ...(server ? { server } : {}) });
  onCleanup(() => proxy.close());
  const told: (string | undefined)[][] = [];
  proxy.on('suspicious', (...args) => told.push(args));
  return { proxy, told };
}

function serverWith(keepAliveTimeout?: number): http.Server {
  const server = http.createServer();
  if (keepAliveTimeout !== undefined) server.keepAliveTimeout = keepAliveTimeout;
  onCleanup(() => server.close());
  return server;
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

async function listening(server: http.Server, listen: () => unknown): Promise<void> {
  const begun = once(server, 'listening');
  listen();
  await begun;
  await turn();
}

it.each([[undefined, 5000], [59_999, 59_999]])("tells once of a caller's server that keeps connections for %p ms", async (given, ms) => {
  const server = serverWith(given);
  const { proxy, told } = proxyOn(server);
  await listening(server, () => proxy.listen(0, '127.0.0.1'));
  expect(told).toEqual([[undefined, expect.stringMatching(`^the server's keepAliveTimeout is ${ms} ms: .*75000`)]]);
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  await listening(server, () => server.listen(port, '127.0.0.1'));
  expect(told).toHaveLength(1);
});

it('tells of one that listens already', async () => {
  const server = serverWith();
  await listening(server, () => server.listen(0, '127.0.0.1'));
  const { told } = proxyOn(server);
  await turn();
  expect(told).toHaveLength(1);
});

it('takes what is set until the server listens', async () => {
  const server = serverWith();
  const { proxy, told } = proxyOn(server);
  server.keepAliveTimeout = 65_000;
  await listening(server, () => proxy.listen(0, '127.0.0.1'));
  expect(told).toEqual([]);
});

it.each([[0, 'keeps them for ever'], [60_000, 'keeps them long enough']])('tells nothing of a server with %d, which %s', async (ms) => {
  const server = serverWith(ms);
  const { proxy, told } = proxyOn(server);
  await listening(server, () => proxy.listen(0, '127.0.0.1'));
  expect(told).toEqual([]);
});

it('makes a server of its own with 75 s, and tells nothing of one whose time was chosen', async () => {
  expect(proxyOn().proxy.server.keepAliveTimeout).toBe(75_000);
  const { proxy, told } = proxyOn(undefined, { keepAliveTimeout: 1000 });
  await listening(proxy.server, () => proxy.listen(0, '127.0.0.1'));
  expect(told).toEqual([]);
});
