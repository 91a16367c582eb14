import { once } from 'node:events';
import http, { type RequestListener } from 'node:http';
import net from 'node:net';
import Proxy from '../../src';
import { onCleanup } from '../support/cleanup';
import { exchangeBytes, request, startServer, type RequestOptions } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { openClient, uniqueKeyPrefix } from '../support/redis';
import { clientSid } from '../support/stores';

const POLL = '/socket.io/?EIO=4&transport=polling';
const UPGRADE = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAA'];
const ORIGIN = 'http://page.example';

/** What the proxy answers with, when, and whether upgrades can meet it too. */
interface Case {
  name: string;
  status: number;
  code: Proxy.ErrorCode;
  message: string;
  target: string;
  start: () => Promise<Started>;
}

const { ErrorCode } = Proxy;

/** A host that is well, and does with what is no health check as it is told; upgrades as well. */
async function hostThat(handler: RequestListener): Promise<string> {
  const { server, name } = await startServer((req, res) => {
    if (req.url?.includes('?')) handler(req, res);
    else res.end();
  });
  server.on('upgrade', (req) => handler(req, new http.ServerResponse(req)));
  return name;
}

const DEAD_HOST = '127.0.0.1:1';

const working = async (): Promise<Started> => startProxy({ hosts: [await hostThat((_, res) => res.end('ok'))] });

const CASES: Case[] = [
  {
    name: 'an unknown sid', status: 400, code: ErrorCode.SESSION_UNKNOWN, message: 'Session ID unknown',
    target: `${POLL}&sid=unknown`, start: working,
  },
  {
    name: 'a path outside of path', status: 400, code: ErrorCode.BAD_REQUEST, message: 'Bad request',
    target: '/other/?EIO=4', start: working,
  },
  {
    name: 'no host that is up', status: 503, code: ErrorCode.NO_HOST, message: 'No host is up',
    target: POLL, start: async () => startProxy({ hosts: [DEAD_HOST] }),
  },
  {
    name: 'a host that fails in mid-request', status: 502, code: ErrorCode.HOST_FAILED,
    message: 'The host failed before it answered',
    target: POLL, start: async () => startProxy({ hosts: [await hostThat((req) => req.socket.destroy())] }),
  },
  {
    name: 'a host that is silent', status: 504, code: ErrorCode.HOST_TIMEOUT,
    message: 'The host did not answer in time',
    target: POLL, start: async () => startProxy({ hosts: [await hostThat(() => {})], hostTimeout: 50 }),
  },
];

const TABLE = CASES.map((refusal): [name: string, refusal: Case] => [refusal.name, refusal]);

function upgrade(port: number, target: string, headers: string[] = []): Promise<string> {
  const head = [`GET ${target} HTTP/1.1`, 'Host: a.example', ...UPGRADE, ...headers, '', ''];
  return exchangeBytes(port, head.join('\r\n'));
}

describe.each(TABLE)('%s', (_, { status, code, message, target, start }) => {
  const body = JSON.stringify({ code, message });
  let started: Started;

  beforeAll(async () => {
    started = await start();
  });

  it.each<[string, RequestOptions]>([
    ['GET', {}],
    ['POST', { method: 'POST', body: 'x' }],
    ['POST of 100 kB', { method: 'POST', body: 'x'.repeat(100_000) }],
  ])(`is answered with ${status}, in JSON: %s`, async (__, options) => {
    const { url } = started;
    const reply = await request(url + target, options);
    expect(reply).toMatchObject({ status, body });
    expect(reply.headers['content-type']).toBe('application/json');
    expect(reply.headers['retry-after']).toBe(status === 503 ? '1' : undefined);
  });

  it('lets the page of an Origin read the answer', async () => {
    const { url } = started;
    expect(await request(url + target, { headers: { Origin: ORIGIN } })).toMatchObject({
      status,
      headers: { 'access-control-allow-origin': ORIGIN, 'access-control-allow-credentials': 'true', 'vary': 'Origin' },
    });
  });

  it('sends no CORS headers where there is no Origin', async () => {
    const { url } = started;
    const { headers } = await request(url + target);
    expect(Object.keys(headers).filter((name) => /^(?:access-control|vary)/.test(name))).toEqual([]);
  });

  it("keeps the client's connection", async () => {
    const { url, proxy } = started;
    let connections = 0;
    proxy.server.on('connection', () => (connections += 1));
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    onCleanup(() => agent.destroy());
    expect(await request(url + target, { agent })).toMatchObject({ status, body });
    expect(await request(url + target, { agent, method: 'POST', body: 'x'.repeat(20_000) })).toMatchObject({ status });
    expect(await request(url + target, { agent })).toMatchObject({ status, body });
    expect(connections).toBe(1);
  });

  it('is answered by HTTP on the socket of an upgrade, which is then closed', async () => {
    const { port } = started;
    const [head = '', text] = (await upgrade(port, target, [`Origin: ${ORIGIN}`])).split('\r\n\r\n');
    const [statusLine, ...headers] = head.split('\r\n');
    expect(statusLine).toBe(`HTTP/1.1 ${status} ${String(http.STATUS_CODES[status])}`);
    expect(headers).toEqual(expect.arrayContaining([
      'Content-Type: application/json', `Content-Length: ${body.length}`, 'Connection: close',
      `Access-Control-Allow-Origin: ${ORIGIN}`, 'Access-Control-Allow-Credentials: true', 'Vary: Origin',
    ]));
    expect(text).toBe(body);
  });

  it('sends no CORS headers on the socket of an upgrade where there is no Origin', async () => {
    const { port } = started;
    expect(await upgrade(port, target)).not.toMatch(/access-control|vary/i);
  });
});

it('answers an unknown sid exactly as Engine.IO does', async () => {
  const { url } = await working();
  const { status, body } = await request(`${url}${POLL}&sid=unknown`);
  expect([status, body]).toEqual([400, '{"code":1,"message":"Session ID unknown"}']);
});

it('answers a sid that has expired in Redis as an unknown one', async () => {
  const host = await hostThat((_, res) => res.end('ok'));
  const redisClient = await openClient();
  const keyPrefix = uniqueKeyPrefix();
  const { url } = await startProxy({ hosts: [host], redisClient, keyPrefix });
  await redisClient.set(`${keyPrefix}kept`, host);
  await redisClient.set(`${keyPrefix}short`, host, { expiration: { type: 'PX', value: 1 } });
  while (await redisClient.exists(`${keyPrefix}short`) > 0);
  expect((await request(`${url}${POLL}&sid=kept`)).body).toBe('ok');
  expect((await request(`${url}${POLL}&sid=short`)).body).toBe('{"code":1,"message":"Session ID unknown"}');
});

describe('path', () => {
  const owned: [path: string, targets: string[], foreign: string[]][] = [
    ['/socket.io/', ['/socket.io/', '/socket.io', '/socket.io?EIO=4', '/socket.io/?EIO=4', '/socket.io/socket.io.js'],
      ['/', '/socket.iox', '/socket.iox/', '/socket.i', '/x/socket.io/', '//socket.io/', '/SOCKET.IO/']],
    ['/socket.io', ['/socket.io/', '/socket.io', '/socket.io?EIO=4', '/socket.io/?EIO=4', '/socket.io/socket.io.js'],
      ['/', '/socket.iox', '/socket.iox/', '/socket.io-admin/']],
    ['/ws', ['/ws', '/ws/', '/ws?EIO=4', '/ws/?EIO=4'], ['/wss', '/wss/', '/socket.io/?EIO=4', '/']],
    ['/a/b/', ['/a/b', '/a/b/', '/a/b/c'], ['/a/', '/a/bc', '/b/']],
    ['/', ['/', '/?EIO=4', '/anything'], []],
  ];

  it.each(owned)('%s is captured, with its last slash or without, and no more', async (path, targets, foreign) => {
    const { name } = await startServer((req, res) => res.end(req.url));
    const { port, url } = await startProxy({ hosts: [name], path });
    for (const target of targets) expect(await request(url + target)).toMatchObject({ status: 200, body: target });
    for (const target of foreign) {
      expect({ target, ...await request(url + target) }).toMatchObject({ target, status: 400 });
      expect(await upgrade(port, target)).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    }
  });

  it('is kept by the handshakes and the sessions of a custom path', async () => {
    const { name } = await startServer((req, res) => {
      if (req.url?.startsWith('/ws?EIO=4') && !req.url.includes('sid=')) res.end('0{"sid":"custom"}');
      else res.end('ok');
    });
    const { url } = await startProxy({ hosts: [name], path: '/ws' });
    const sid = clientSid('custom', name);
    expect((await request(`${url}/ws?EIO=4&transport=polling`)).body).toBe(`0{"sid":"${sid}"}`);
    expect((await request(`${url}/ws?EIO=4&transport=polling&sid=${sid}`)).body).toBe('ok');
  });
});

it('closes the socket of a refused upgrade, though the client keeps its side open', async () => {
  const { port, proxy } = await working();
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  onCleanup(() => socket.destroy());
  socket.on('error', () => {}).resume();
  const accepted = once(proxy.server, 'connection') as Promise<[net.Socket]>;
  socket.write([`GET ${POLL}&sid=unknown HTTP/1.1`, 'Host: a.example', ...UPGRADE, '', ''].join('\r\n'));
  const [atProxy] = await accepted;
  await once(atProxy, 'close');
});

it('refuses an upgrade by a method other than GET', async () => {
  const { port } = await working();
  const head = [`POST ${POLL} HTTP/1.1`, 'Host: a.example', ...UPGRADE, '', ''].join('\r\n');
  expect(await exchangeBytes(port, head)).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
});
