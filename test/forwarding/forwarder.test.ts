import { once } from 'node:events';
import http from 'node:http';
import type { Socket } from 'node:net';
import { onCleanup } from '../support/cleanup';
import { request, startServer } from '../support/http';
import { startProxy } from '../support/proxy';
import { startSessionHost } from '../support/session-host';

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
