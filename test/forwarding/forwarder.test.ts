import { once } from 'node:events';
import http from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { onCleanup } from '../support/cleanup';
import { settle, stopClock } from '../support/clock';
import { request, startServer } from '../support/http';
import { startProxy } from '../support/proxy';
import { startSessionHost } from '../support/session-host';
import { until } from '../support/until';
import { connect } from '../support/upgrades';

const POLL = '/socket.io/?EIO=4&transport=polling';

it('closes its idle connections to the hosts with the proxy, however long the hosts would keep them', async () => {
  const sockets: Socket[] = [];
  const { name } = await startServer(({ url, socket }, res) => {
    if (url?.includes('?')) sockets.push(socket);
    res.writeHead(200, { 'Keep-Alive': 'timeout=600' }).end();
  }, { keepAliveTimeout: 0 });
  const { proxy, url } = await startProxy({ hosts: [name] });
  await request(url + POLL);
  const closed = sockets.map((socket) => once(socket, 'close'));
  expect(closed).toHaveLength(1);
  await proxy.close();
  await Promise.all(closed);
});

it("ends the connection of a client of the caller's server with the response that it closes on, a refusal too", async () => {
  const server = http.createServer().listen(0, '127.0.0.1');
  onCleanup(() => server.close());
  await once(server, 'listening');
  let answer = (): void => {};
  const host = await startServer((req, res) => {
    if (!req.url?.includes('?')) {
      res.end();
      return;
    }
    answer = () => res.end('late');
    host.server.emit('asked');
  });
  const { proxy, url } = await startProxy({ hosts: [host.name], server, drainTimeout: 30_000 });
  const agent = new http.Agent({ keepAlive: true });
  onCleanup(() => agent.destroy());
  const asked = once(host.server, 'asked');
  const reply = request(url + POLL, { agent });
  await asked;
  const closed = proxy.close();
  const refused = await request(`${url}${POLL}&sid=unknown`, { agent });
  expect(refused).toMatchObject({ status: 400, headers: { connection: 'close' } });
  answer();
  expect(await reply).toMatchObject({ status: 200, body: 'late', headers: { connection: 'close' } });
  await closed;
});

it('counts no session that it has refused to open since it could not be stored', async () => {
  const host = await startSessionHost();
  const fail = (): Promise<never> => Promise.reject(new Error('READONLY'));
  const store = { bind: fail, find: () => Promise.resolve(undefined), unbind: fail };
  const { proxy, url } = await startProxy({ hosts: [host.name], store, onStoreFailure: 'refuse' });
  expect((await request(url + POLL)).status).toBe(503);
  expect(proxy.hosts[0]).toMatchObject({ sessions: 0, requests: 0 });
});

it.each([
  ['a request', `POST ${POLL} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst`],
  ["a handshake's answer", `GET ${POLL} HTTP/1.1\r\nHost: a\r\n\r\n`],
])('cuts %s that is not whole when the drain is over: neither is refused', async (_, bytes) => {
  const { name } = await startServer(({ url }, res) => {
    if (url?.includes('?')) res.writeHead(200, { 'Content-Length': 100 }).write('0{"sid":');
    else res.end();
  });
  const { proxy, port } = await startProxy({ hosts: [name] });
  await until('it is up', () => proxy.hosts[0]?.state === 'up');
  const arrived = once(proxy.server, 'request');
  const client = await connect(port, bytes);
  let text = '';
  client.on('data', (chunk: Buffer) => text += chunk.toString());
  const closed = once(client, 'close');
  await arrived;
  await settle();
  await proxy.close();
  await closed;
  expect(text).toBe('');
});

it('counts no refusal of a request that it has cut, when the host fails before the stream of the client is closed', async () => {
  const clock = stopClock();
  const asked: Socket[] = [];
  const { name } = await startServer(({ url, socket }, res) => {
    if (url?.includes('?')) asked.push(socket);
    else res.end();
  });
  const { proxy } = await startProxy({ hosts: [name] });
  const ends: (() => void)[] = [];
  const stream = new Duplex({ read: () => {}, write: (_, __, done) => done(), destroy: (_, done) => ends.push(() => done(null)) });
  proxy.server.emit('connection', stream);
  stream.push(`GET ${POLL} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await until('the host is asked', () => asked.length === 1);
  const closed = proxy.close();
  await clock.advanceUntil('the request is cut', () => ends.length === 1, 1);
  asked[0]?.destroy();
  await settle();
  ends[0]?.();
  await closed;
  expect((await proxy.parts.operations.totals()).refusals).toEqual({});
});
