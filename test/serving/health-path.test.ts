import { once } from 'node:events';
import { startCommand } from '../support/command';
import { exchangeBytes, handshake, request, startServer, type Reply } from '../support/http';
import { startProxy } from '../support/proxy';
import { before, startSessionHost } from '../support/session-host';
import { until } from '../support/until';
import { startWorkers } from '../support/workers';

const healthPath = '/healthz';

/** What a load balancer sees. */
const seen = ({ status, headers, body }: Reply): unknown[] => [status, headers['retry-after'], body];

const READY = [200, undefined, '{"ready":true}'];
const NOT_READY = [503, '1', '{"ready":false}'];

it('is not there by default', async () => {
  const { url } = await startProxy({ hosts: ['127.0.0.1:1'] });
  expect((await request(`${url}/healthz`)).json()).toMatchObject({ code: 3 });
});

it('tells whether the proxy takes new sessions, and asks no host', async () => {
  const host = await startSessionHost();
  const asked: unknown[] = [];
  for (const event of ['handshake', 'poll']) host.on(event, () => asked.push(event));
  const { proxy, url } = await before([host], { healthPath });
  expect(seen(await request(`${url}/healthz`))).toEqual(READY);
  expect(seen(await request(`${url}/healthz?from=balancer`))).toEqual(READY);
  proxy.drainHost(host.name);
  expect(seen(await request(`${url}/healthz`))).toEqual(NOT_READY);
  proxy.undrainHost(host.name);
  await host.stop();
  await until('it is down', () => proxy.hosts[0]?.state === 'down');
  const { headers, ...reply } = await request(`${url}/healthz`);
  expect(seen({ headers, ...reply })).toEqual(NOT_READY);
  expect(headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-store' });
  expect(asked).toEqual([]);
});

it('is not ready before the first health checks are over', async () => {
  const { name } = await startServer(() => {});
  const { url } = await startProxy({ hosts: [name], healthPath, checkTimeout: 60_000 });
  expect(seen(await request(`${url}/healthz`))).toEqual(NOT_READY);
});

it('takes GET, HEAD and OPTIONS of any version, in any form, and nothing else', async () => {
  const host = await startSessionHost();
  const { port, url } = await before([host], { healthPath });
  const head = await request(`${url}/healthz`, { method: 'HEAD' });
  expect([head.status, head.body, head.headers['content-length']]).toEqual([200, '', '14']);
  expect(await exchangeBytes(port, 'GET /healthz HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\{"ready":true\}$/);
  expect(await exchangeBytes(port, 'GET http://a.example/healthz HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n'))
    .toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  for (const method of ['POST', 'PUT', 'DELETE']) {
    const { status, headers } = await request(`${url}/healthz`, { method, body: method === 'POST' ? 'x'.repeat(100_000) : '' });
    expect([method, status, headers.allow, headers.connection]).toEqual([method, 405, 'GET, HEAD, OPTIONS', 'close']);
  }
  // As HAProxy's plain `option httpchk /healthz` asks.
  expect(await exchangeBytes(port, 'OPTIONS /healthz HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
  for (const other of ['/healthz/', '/healthzz', '/HEALTHZ', '/', '/a/healthz']) expect((await request(url + other)).status).toBe(400);
  const upgrade = 'GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n';
  expect(await exchangeBytes(port, upgrade)).toMatch(/^HTTP\/1\.1 400 /);
});

it('answers in a storm too, whose handshakes are refused', async () => {
  const host = await startSessionHost();
  const { url } = await before([host], { healthPath, maxHandshakesPerSecond: 0.01, maxQueuedHandshakes: 0 });
  const refused = async (): Promise<boolean> => (await request(`${url}/socket.io/?EIO=4&transport=polling`)).status === 503;
  await until('a handshake is refused', refused);
  for (let i = 0; i < 20; i += 1) expect(seen(await request(`${url}/healthz`))).toEqual(READY);
  expect(await refused()).toBe(true);
});

it('shares a server with an app, is not ready while it drains, and leaves the path to the app when it is closed', async () => {
  const host = await startSessionHost();
  const { server, port } = await startServer((req, res) => res.end(`app ${req.url}`));
  const { proxy } = await before([host], { healthPath, server, drainTimeout: 60_000 });
  const url = `http://127.0.0.1:${port}`;
  expect(seen(await request(`${url}/healthz`))).toEqual(READY);
  expect((await request(`${url}/healthz/more`)).body).toBe('app /healthz/more');
  const sid = await handshake(url);
  const polled = once(host, 'poll');
  const held = request(`${url}/socket.io/?EIO=4&transport=polling&sid=${sid}`);
  await polled;
  const closed = proxy.close();
  const { headers, ...reply } = await request(`${url}/healthz`);
  expect([seen({ headers, ...reply }), headers.connection]).toEqual([NOT_READY, 'close']);
  host.answer();
  await Promise.all([held, closed]);
  expect((await request(`${url}/healthz`)).body).toBe('app /healthz');
});

describe('--health-path', () => {
  it('is served by the command, where it leaves no line in the access log', async () => {
    const host = await startSessionHost();
    const { command, url } = await startCommand(['--hosts', host.name, '--health-path', '/healthz', '--access-log', 'common']);
    expect(seen(await request(`${url}/healthz`))).toEqual(READY);
    await handshake(url);
    await command.line(/GET \/socket\.io\//);
    expect(command.output).not.toContain('healthz');
  });

  it('is served by each worker, which knows what the first process has found', async () => {
    const host = await startSessionHost();
    const { command, url } = await startWorkers([host.name], ['--health-path', '/healthz', '--check-interval', '100']);
    for (let i = 0; i < 4; i += 1) expect(seen(await request(`${url}/healthz`))).toEqual(READY);
    await host.stop();
    await command.seen('down');
    await until('each worker knows', async () => {
      const replies = [await request(`${url}/healthz`), await request(`${url}/healthz`)];
      return replies.every(({ status }) => status === 503);
    });
  });
});
