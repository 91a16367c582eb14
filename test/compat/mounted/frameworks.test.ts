import { once } from 'node:events';
import http, { type RequestListener, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import createFastify from 'fastify';
import { MemoryStore, Proxy } from '../../../src';
import { Clients, TRANSPORTS } from '../../support/clients';
import { onCleanup } from '../../support/cleanup';
import { startHosts, type HostProcess } from '../../support/hosts';
import { handshake, pollUrl, request } from '../../support/http';
import { startProxy } from '../../support/proxy';
import { tested } from '../../support/tested';

/** What is used of Express, which brings no types. */
interface Express {
  (): RequestListener & Record<'get' | 'post', (path: string, handler: Handler) => void> & { use: (handler: unknown) => void };
  json: () => unknown;
}
type Handler = (req: { body: unknown }, res: { status: (code: number) => { send: (body: unknown) => void } }) => void;

interface App {
  server: Server;
  listen: () => Promise<void>;
}

const load = createRequire(__filename);

const versionOf = (name: string): string => (load(`${name}/package.json`) as { version: string }).version;

/** An app with routes, one of them next to the proxy's path, a parser of bodies, and an answer to all else. */
function expressApp(name: string): App {
  const express = load(name) as Express;
  const app = express();
  app.use(express.json());
  app.get('/hello', (_, res) => res.status(200).send('hello'));
  app.post('/echo', ({ body }, res) => res.status(200).send(body));
  app.get('/socket.iox', (_, res) => res.status(200).send('next to it'));
  app.use(((_, res) => res.status(404).send('the app knows no such page')) satisfies Handler);
  const server = http.createServer(app);
  onCleanup(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    server,
    listen: async () => {
      await once(server.listen(0, '127.0.0.1'), 'listening');
    },
  };
}

function fastifyApp(): App {
  const app = createFastify({ forceCloseConnections: true });
  app.get('/hello', (_, reply) => reply.send('hello'));
  app.post('/echo', ({ body }, reply) => reply.send(body));
  app.get('/socket.iox', (_, reply) => reply.send('next to it'));
  app.setNotFoundHandler((_, reply) => reply.code(404).send('the app knows no such page'));
  onCleanup(() => app.close());
  return {
    server: app.server,
    listen: async () => {
      await app.listen({ port: 0, host: '127.0.0.1' });
    },
  };
}

const POLLING = '/socket.io/?EIO=4&transport=polling';

let hosts: HostProcess[];
let clients: Clients;

beforeAll(async () => {
  hosts = await startHosts(2);
  clients = new Clients();
});

async function expectOwnRoutes(url: string): Promise<void> {
  expect(await request(`${url}/hello`)).toMatchObject({ status: 200, body: 'hello' });
  expect(await request(`${url}/socket.iox`)).toMatchObject({ status: 200, body: 'next to it' });
  const body = JSON.stringify({ text: 'é'.repeat(1000) });
  const echo = { method: 'POST', body, headers: { 'Content-Type': 'application/json' } };
  expect((await request(`${url}/echo`, echo)).body).toBe(body);
  for (const path of ['/', '/socket.i', '/socket.iox/y', '/other?x=/socket.io/']) {
    expect(await request(url + path)).toMatchObject({ status: 404, body: 'the app knows no such page' });
  }
}

describe.each([
  ['Express', 'express-4', () => expressApp('express-4')],
  ['Express', 'express', () => expressApp('express')],
  ['Fastify', 'fastify', fastifyApp],
])('mounted on %s (%s)', (framework, name, createApp) => {
  it.each(['before', 'after'])('leaves the app its routes, and proxies all sessions: %s it listens', async (when) => {
    const { server, listen } = createApp();
    if (when === 'after') await listen();
    const proxy = new Proxy({ server, hosts: hosts.map((host) => host.name), store: new MemoryStore(), drainTimeout: 0 });
    onCleanup(() => proxy.close());
    if (when === 'before') await listen();
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    for (const [, transport] of TRANSPORTS) {
      const session = await clients.connect({ url, ...transport });
      expect(session.transport).toBe(transport.transports?.at(-1));
      await clients.exchange(session.key);
      expect(await clients.host(session.key)).toBe(session.host);
      await expectOwnRoutes(url);
      await clients.close(session.key);
    }
    tested('Mounted on', framework, versionOf(name));
  });

  it('gets all requests back when the proxy is closed, and goes on', async () => {
    const { server, listen } = createApp();
    await listen();
    const { proxy, url } = await startProxy({ server, hosts: hosts.map((host) => host.name) });
    const agent = new http.Agent({ keepAlive: true });
    onCleanup(() => agent.destroy());
    const sid = await handshake(url);
    expect((await request(`${url}/hello`, { agent })).body).toBe('hello');
    await proxy.close();
    expect(server.listening).toBe(true);
    for (const target of [url + POLLING, pollUrl(url, sid)]) {
      expect(await request(target, { agent })).toMatchObject({ status: 404, body: 'the app knows no such page' });
    }
    await expectOwnRoutes(url);
  });
});
