import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { Proxy } from '../../src';
import { onCleanup } from '../support/cleanup';
import { exchangeBytes } from '../support/http';
import { before, startSessionHost, type SessionHost } from '../support/session-host';
import { ownStore } from '../support/stores';
import { until } from '../support/until';

const REQUEST = 'GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

let host: SessionHost;

beforeAll(async () => {
  host = await startSessionHost();
});

async function connect(port: number, localAddress = '127.0.0.1'): Promise<net.Socket> {
  const socket = net.connect({ port, host: '127.0.0.1', localAddress });
  onCleanup(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Whether the proxy keeps a connection: one that is cut never answers. */
async function isKept(socket: net.Socket): Promise<boolean> {
  socket.write(REQUEST);
  const ended = Promise.race([once(socket, 'data').then(() => true), once(socket, 'close').then(() => false)]);
  return ended;
}

it.each([true, false])('cuts a connection of an address that has so many, and counts it (fastPath: %s)', async (fastPath) => {
  const { proxy, port } = await before([host], { maxConnectionsPerAddress: 2, fastPath });
  const [first, second] = [await connect(port), await connect(port)];
  await until('both are open', async () => await connectionsOf(proxy) === 2);
  expect(await isKept(await connect(port))).toBe(false);
  expect((await proxy.parts.operations.totals()).refusals).toEqual({ '3 connections': 1 });
  expect(await isKept(await connect(port, '127.0.0.2'))).toBe(true);
  expect(await isKept(second)).toBe(true);
  first.destroy();
  await until('it has room again', async () => await connectionsOf(proxy) <= 1);
  expect(await exchangeBytes(port, REQUEST)).toMatch(/^HTTP\/1\.1 200 /);
});

it('counts each IPv4 address by itself, also where the proxy listens on all addresses of both kinds', async () => {
  const proxy = new Proxy({ store: ownStore(), hosts: [host.name], maxConnectionsPerAddress: 1, drainTimeout: 0 });
  onCleanup(() => proxy.close());
  await once(proxy.listen(0), 'listening');
  const { port } = proxy.server.address() as net.AddressInfo;
  const kept = await connect(port, '127.0.0.2');
  expect(await isKept(await connect(port, '127.0.0.3'))).toBe(true);
  expect(await isKept(await connect(port, '127.0.0.2'))).toBe(false);
  expect(await isKept(kept)).toBe(true);
});

it('lets trusted load balancers have any number, and counts the clients that they name', async () => {
  const { port } = await before([host], { maxConnectionsPerAddress: 1, trustProxy: ['loopback'], proxyProtocol: true });
  const named = async (address: string): Promise<net.Socket> => {
    const socket = await connect(port);
    socket.write(`PROXY TCP4 ${address} 127.0.0.1 1000 2000\r\n`);
    return socket;
  };
  const kept = await named('192.0.2.1');
  expect(await isKept(await named('192.0.2.2'))).toBe(true);
  // Two that stay open.
  const own = [await named('127.0.0.9'), await named('127.0.0.9')];
  expect(await Promise.all(own.map(isKept))).toEqual([true, true]);
  expect(await isKept(await named('192.0.2.1'))).toBe(false);
  expect(await isKept(kept)).toBe(true);
});

it('needs a server of the proxy\'s own', () => {
  const options = { store: ownStore(), hosts: [host.name], server: http.createServer(), maxConnectionsPerAddress: 5 };
  expect(() => new Proxy(options)).toThrow("'maxConnectionsPerAddress' must be left out where 'server' is given, received 5");
});

function connectionsOf({ server }: { server: net.Server }): Promise<number> {
  return new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))));
}
