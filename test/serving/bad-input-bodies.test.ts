import { exchangeBytes, handshake, startServer } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { hostSid } from '../support/stores';

const POLL = '/socket.io/?EIO=4&transport=polling';
const SMUGGLED = 'GET /socket.io/smuggled?x HTTP/1.1\r\nHost: a.example\r\n\r\n';

/** A proxy before one host that keeps every request that it reads, and all bytes that it is sent. */
async function watched(): Promise<Started & { seen: string[]; bytes: () => string }> {
  const seen: string[] = [];
  const chunks: Buffer[] = [];
  const { server, name } = await startServer((req, res) => {
    if (req.url !== '/socket.io/') seen.push(`${req.method} ${req.url}`);
    req.resume().on('end', () => res.end('0{"sid":"well"}'));
  });
  server.on('upgrade', (req, socket) => {
    seen.push(`UPGRADE ${req.url}`);
    socket.destroy();
  });
  server.on('connection', (socket) => socket.on('data', (chunk: Buffer) => chunks.push(chunk)));
  return { ...await startProxy({ hosts: [name] }), seen, bytes: () => Buffer.concat(chunks).toString('latin1') };
}

const chunked = (body: string): string => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const LENGTH = `Content-Length: ${SMUGGLED.length}\r\n`;
const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';

describe('a request in the body of another is refused, and reaches no host', () => {
  const methods = ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'];
  const cases: [name: string, head: string, body: string][] = [
    ...methods.map((method): [string, string, string] =>
      [`${method} in chunks`, `${method} ${POLL} HTTP/1.1\r\n${CHUNKED}`, chunked(SMUGGLED)]),
    ...methods.map((method): [string, string, string] =>
      [`${method} with Content-Length`, `${method} ${POLL} HTTP/1.1\r\n${LENGTH}`, SMUGGLED]),
    ['both framings', `POST ${POLL} HTTP/1.1\r\n${LENGTH}${CHUNKED}`, chunked(SMUGGLED)],
    ['both framings, the other first', `POST ${POLL} HTTP/1.1\r\n${CHUNKED}${LENGTH}`, chunked(SMUGGLED)],
    ['a length of 0 and chunks', `POST ${POLL} HTTP/1.1\r\nContent-Length: 0\r\n${CHUNKED}`, chunked(SMUGGLED)],
    ['gzip and chunks', `POST ${POLL} HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n`, chunked(SMUGGLED)],
    ['chunks twice', `POST ${POLL} HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n`, chunked(SMUGGLED)],
    ['chunks in two lines', `POST ${POLL} HTTP/1.1\r\n${CHUNKED}${CHUNKED}`, chunked(SMUGGLED)],
    ['chunks, then identity', `POST ${POLL} HTTP/1.1\r\n${CHUNKED}Transfer-Encoding: identity\r\n`, chunked(SMUGGLED)],
    ['identity', `POST ${POLL} HTTP/1.1\r\nTransfer-Encoding: identity\r\n`, SMUGGLED],
    ['an unknown encoding', `POST ${POLL} HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n`, chunked(SMUGGLED)],
    ['chunks with a tab', `POST ${POLL} HTTP/1.1\r\nTransfer-Encoding:\tchunked, x\r\n`, chunked(SMUGGLED)],
    ['chunks by HTTP/1.0', `POST ${POLL} HTTP/1.0\r\nConnection: keep-alive\r\n${CHUNKED}`, chunked(SMUGGLED)],
    ['a folded encoding', `POST ${POLL} HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n`, chunked(SMUGGLED)],
    ['bare line feeds', `POST ${POLL} HTTP/1.1\n${CHUNKED.replace('\r', '')}`, chunked(SMUGGLED)],
    ['an upgrade with Content-Length', `GET ${POLL} HTTP/1.1\r\n${UPGRADE}${LENGTH}`, SMUGGLED],
    ['an upgrade in chunks', `GET ${POLL} HTTP/1.1\r\n${UPGRADE}${CHUNKED}`, chunked(SMUGGLED)],
    ['an upgrade by POST', `POST ${POLL} HTTP/1.1\r\n${UPGRADE}${LENGTH}`, SMUGGLED],
    ['Upgrade without its Connection', `POST ${POLL} HTTP/1.1\r\nUpgrade: websocket\r\n${LENGTH}`, SMUGGLED],
  ];

  it.each(cases)('%s', async (_, head, body) => {
    const { port, url, seen, bytes } = await watched();
    // The connection is closed, so that nothing that follows is taken for a request.
    const response = await exchangeBytes(port, `${head}Host: a.example\r\n\r\n${body}${SMUGGLED}`);
    expect(response).toMatch(/^HTTP\/1\.1 400 /);
    expect(response.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(seen).toEqual([]);
    expect(bytes()).not.toContain('smuggled');
    expect(hostSid(await handshake(url))).toBe('well');
  });
});

describe('a chunked body is refused where it is broken, and what follows reaches no host', () => {
  it.each([
    ['a size of no digits', `xyz\r\n${SMUGGLED}`],
    ['a negative size', `-1\r\n${SMUGGLED}`],
    ['a size over 64 bits', `fffffffffffffffff\r\n${SMUGGLED}`],
    ['a size with a prefix', `0x1\r\na\r\n0\r\n\r\n${SMUGGLED}`],
    ['a size that ends with a line feed', `1\na\n0\n\n${SMUGGLED}`],
    ['a chunk longer than its size', `1\r\nabc\r\n0\r\n\r\n${SMUGGLED}`],
    ['an extension with a line feed', `1;a\nb\r\na\r\n0\r\n\r\n${SMUGGLED}`],
  ])('%s', async (_, body) => {
    const { port, url, seen } = await watched();
    await exchangeBytes(port, `POST ${POLL} HTTP/1.1\r\nHost: a.example\r\n${CHUNKED}\r\n${body}`);
    // The first request may have begun to leave when its body broke: the host has not read it to its end.
    expect(seen.filter((line) => line !== `POST ${POLL}`)).toEqual([]);
    expect(hostSid(await handshake(url))).toBe('well');
  });
});

it.each([
  ['POST', 'Content-Length'], ['POST', 'chunks'], ['PUT', 'Content-Length'], ['PATCH', 'chunks'],
])('passes what looks like a request in the body of a %s on as its body, by %s', async (method, framing) => {
  const { port, url, seen } = await watched();
  const [header, body] = framing === 'chunks' ? [CHUNKED, chunked(SMUGGLED)] : [LENGTH, SMUGGLED];
  const head = `${method} ${POLL} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n${header}\r\n`;
  expect(await exchangeBytes(port, head + body)).toMatch(/^HTTP\/1\.1 200 /);
  expect(seen).toEqual([`${method} ${POLL}`]);
  expect(hostSid(await handshake(url))).toBe('well');
});

it('serves requests that are pipelined, in their order', async () => {
  const { port, seen } = await watched();
  const requests = ['1', '2', '3'].map((n) =>
    `POST ${POLL}&n=${n} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n\r\n${n}`);
  const last = `GET ${POLL}&n=4 HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n`;
  const response = await exchangeBytes(port, requests.join('') + last);
  expect(response.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(4);
  expect([...seen].sort()).toEqual([`GET ${POLL}&n=4`, ...['1', '2', '3'].map((n) => `POST ${POLL}&n=${n}`)]);
});

it.each(['GET', 'HEAD', 'OPTIONS', 'DELETE'])('takes a %s with a chunked body of nothing, as gateways send it', async (method) => {
  const { port, seen } = await watched();
  const head = `${method} ${POLL} HTTP/1.1\r\nHost: a.example\r\n${CHUNKED}\r\n0\r\n\r\n`;
  const next = `GET ${POLL}&n=2 HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n`;
  expect((await exchangeBytes(port, head + next)).match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
  expect(seen).toEqual([`${method} ${POLL}`, `GET ${POLL}&n=2`]);
});

it.each(['GET', 'OPTIONS', 'DELETE'])('takes a %s that says that its length is 0', async (method) => {
  const { port } = await watched();
  const head = `${method} ${POLL} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
  expect(await exchangeBytes(port, head)).toMatch(/^HTTP\/1\.1 200 /);
});
