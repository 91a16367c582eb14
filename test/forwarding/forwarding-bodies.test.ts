import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http, { type IncomingMessage, type RequestListener } from 'node:http';
import { onCleanup } from '../support/cleanup';
import { settle } from '../support/clock';
import { exchangeBytes, request, startServer } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { until } from '../support/until';
import { connect } from '../support/upgrades';

const POLL = '/socket.io/?EIO=4&transport=polling';

async function behind(handler: RequestListener): Promise<Started> {
  const { name } = await startServer((req, res) => {
    // Health checks have no query.
    if (req.url?.includes('?')) handler(req, res);
    else res.end();
  });
  return startProxy({ hosts: [name] });
}

async function bytesOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Answers with how the request's body was framed, and the digest of it. */
const digests: RequestListener = (req, res) => {
  const { 'content-length': length, 'transfer-encoding': encoding } = req.headers;
  void bytesOf(req).then((bytes) => res.end(JSON.stringify({ length, encoding, digest: digest(bytes) })));
};

const SIZES = [0, 1, 16 * 1024, 16 * 1024 + 1, 1_000_000];

describe.each(SIZES)('a body of %i bytes', (size) => {
  const body = randomBytes(size);

  it('reaches the host whole, by its Content-Length', async () => {
    const { url } = await behind(digests);
    const reply = await request(url + POLL, { method: 'POST', body, headers: { 'Content-Length': size } });
    expect(reply.json()).toEqual({ length: String(size), digest: digest(body) });
  });

  it('reaches the host whole, in chunks', async () => {
    const { url } = await behind(digests);
    const reply = await request(url + POLL, { method: 'POST', body, headers: { 'Transfer-Encoding': 'chunked' } });
    // The proxy may have learnt the length in the meantime, but never tells both.
    expect([{ encoding: 'chunked', digest: digest(body) }, { length: String(size), digest: digest(body) }])
      .toContainEqual(reply.json());
  });

  it('reaches the client whole, by its Content-Length', async () => {
    const { url } = await behind((_, res) => res.writeHead(200, { 'Content-Length': size }).end(body));
    const reply = await request(url + POLL);
    expect(reply.headers['content-length']).toBe(String(size));
    expect(reply.headers['transfer-encoding']).toBeUndefined();
    expect(digest(reply.bytes)).toBe(digest(body));
  });

  it('reaches the client whole, in chunks', async () => {
    const { url } = await behind((_, res) => res.writeHead(200, { 'Transfer-Encoding': 'chunked' }).end(body));
    const reply = await request(url + POLL);
    expect(reply.headers['transfer-encoding']).toBe('chunked');
    expect(digest(reply.bytes)).toBe(digest(body));
  });
});

it('gathers a body that comes byte by byte', async () => {
  const { port, proxy } = await behind(digests);
  // What is sent while it waits for that would be read here alone.
  await until('it is up', () => proxy.hosts[0]?.state === 'up');
  const req = http.request({ port, host: '127.0.0.1', path: POLL, method: 'POST', headers: { 'Content-Length': 20 } });
  onCleanup(() => req.destroy());
  const responded = once(req, 'response') as Promise<[IncomingMessage]>;
  const arrived = once(proxy.server, 'request') as Promise<[IncomingMessage]>;
  req.flushHeaders();
  const [body] = await arrived;
  for (const byte of '0123456789abcdefghij') {
    const came = once(body, 'data');
    req.write(byte);
    expect(String((await came)[0])).toBe(byte);
  }
  req.end();
  const [response] = await responded;
  expect(JSON.parse((await bytesOf(response)).toString())).toEqual({ length: '20', digest: digest(Buffer.from('0123456789abcdefghij')) });
});

it.each([10, 16 * 1024])('asks the host for nothing before a body of %i bytes is whole: no host waits for a slow client', async (size) => {
  let asked = 0;
  const { port, proxy } = await behind((req, res) => {
    asked += 1;
    req.resume().on('end', () => res.end());
  });
  await until('it is up', () => proxy.hosts[0]?.state === 'up');
  const arrived = once(proxy.server, 'request');
  const body = 'x'.repeat(size);
  const client = await connect(port, `POST ${POLL} HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n${body.slice(5)}`);
  await arrived;
  await settle();
  expect(asked).toBe(0);
  client.write(body.slice(0, 5));
  await once(client, 'data');
  expect(asked).toBe(1);
});

describe('responses without a body', () => {
  it.each([
    ['HEAD', 200, { 'content-length': '1234', 'x-kept': '1' }],
    ['GET', 204, { 'x-kept': '1' }],
    ['GET', 304, { etag: '"1"' }],
    ['POST', 204, {}],
  ])('%s %i keeps its headers, and the connection its order', async (method, status, headers) => {
    const { url, proxy } = await behind((req, res) => {
      if (req.method === method) res.writeHead(status, headers).end();
      else res.end('next');
    });
    let connections = 0;
    proxy.server.on('connection', () => (connections += 1));
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    onCleanup(() => agent.destroy());
    const reply = await request(url + POLL, { method, agent });
    expect(reply).toMatchObject({ status, headers, body: '' });
    expect(await request(url + POLL, { method: 'PUT', agent })).toMatchObject({ status: 200, body: 'next' });
    expect(connections).toBe(1);
  });
});

it('tells a client that expects it to continue, and passes its body on', async () => {
  const { port } = await behind(digests);
  const body = randomBytes(30_000);
  const headers = { 'Expect': '100-continue', 'Content-Length': body.length };
  const req = http.request({ port, host: '127.0.0.1', path: POLL, method: 'POST', headers });
  onCleanup(() => req.destroy());
  const responded = once(req, 'response') as Promise<[IncomingMessage]>;
  const continued = once(req, 'continue');
  req.flushHeaders();
  await continued;
  req.end(body);
  const [response] = await responded;
  expect(JSON.parse((await bytesOf(response)).toString())).toMatchObject({ digest: digest(body) });
});

it.each<[name: string, interim: (res: Parameters<RequestListener>[1]) => void]>([
  ['102 Processing', (res) => res.writeProcessing()],
  ['103 Early Hints', (res) => res.writeEarlyHints({ link: '</style.css>; rel=preload' })],
])('passes the response on that follows %s', async (_, interim) => {
  const { port } = await behind((_req, res) => {
    interim(res);
    interim(res);
    res.writeHead(201, { 'X-Kept': '1' }).end('made');
  });
  const head = `GET ${POLL} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n`;
  const response = await exchangeBytes(port, head);
  expect(response).toMatch(/^(?:HTTP\/1\.1 1\d\d [^]*?\r\n\r\n)*HTTP\/1\.1 201 Created\r\nX-Kept: 1\r\n[^]*\r\n\r\n/);
  expect(response).toContain('made');
});

it('serves a client of HTTP/1.0', async () => {
  const { port } = await behind((_, res) => {
    res.write('in ');
    res.end('chunks');
  });
  const response = await exchangeBytes(port, `GET ${POLL} HTTP/1.0\r\nHost: a.example\r\n\r\n`);
  expect(response).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(response.endsWith('\r\n\r\nin chunks')).toBe(true);
});

it('keeps the connections of the client and to the host', async () => {
  const { server, name } = await startServer((_, res) => res.end('ok'));
  const { url, proxy } = await startProxy({ hosts: [name], hostKeepAlive: 60_000 });
  let toHost = 0;
  let toProxy = 0;
  server.on('connection', () => (toHost += 1));
  proxy.server.on('connection', () => (toProxy += 1));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  onCleanup(() => agent.destroy());
  await request(url + POLL, { agent });
  for (let i = 0; i < 200; i += 1) expect((await request(url + POLL, { agent })).body).toBe('ok');
  expect(toProxy).toBe(1);
  // Two were opened before, and one was the health check's.
  expect(toHost).toBeLessThan(20);
});

it('keeps from the host what a client expects, which the proxy has met', async () => {
  const { url } = await behind((req, res) => req.resume().on('end', () => res.end(String(req.headers.expect))));
  const reply = await request(url + POLL, { method: 'POST', headers: { Expect: '100-continue', 'Content-Length': 1 }, body: 'a' });
  expect(reply.body).toBe('undefined');
});
