import { once } from 'node:events';
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { MemoryStore } from '../../src';
import type { Session } from '../../src/forwarding/forwarder';
import { handshake, pollUrl, request, startServer } from '../support/http';
import { startProxy } from '../support/proxy';

const OPEN = '0{"sid":"s-1","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}';

/** A host that opens one session, with the body that is given, and answers its polls with "2". */
async function hostAnswering(body: string | Buffer, headers: Record<string, string> = {}): Promise<string> {
  const { name } = await startServer((req, res) => {
    if (!(req.url ?? '').includes('transport=polling')) res.writeHead(400).end();
    else if ((req.url ?? '').includes('sid=')) res.end('2');
    else res.writeHead(200, { 'Content-Type': 'text/plain; charset=UTF-8', ...headers }).end(body);
  });
  return name;
}

it.each([
  ['gzip', gzipSync(OPEN)],
  ['deflate', deflateSync(OPEN)],
  ['deflate', deflateRawSync(OPEN)],
  ['br', brotliCompressSync(OPEN)],
  ['identity', Buffer.from(OPEN)],
])('binds a session whose handshake is answered in %s, and passes the answer on unchanged', async (encoding, body) => {
  const { url } = await startProxy({ hosts: [await hostAnswering(body, { 'Content-Encoding': encoding })] });
  const reply = await request(`${url}/socket.io/?EIO=4&transport=polling`);
  expect(reply.bytes).toEqual(body);
  expect(reply.headers['content-encoding']).toBe(encoding);
  expect((await request(pollUrl(url, 's-1'))).body).toBe('2');
});

it.each([
  ['protocol 3', `${OPEN.length}:${OPEN}`], ['protocol 4', OPEN],
])('binds a session that is opened by JSONP, in the framing of %s', async (_, payload) => {
  const { url } = await startProxy({ hosts: [await hostAnswering(`___eio[0](${JSON.stringify(payload)});`)] });
  expect((await request(`${url}/socket.io/?EIO=4&transport=polling&j=0`)).status).toBe(200);
  expect((await request(`${pollUrl(url, 's-1')}&j=0`)).body).toBe('2');
});

it('binds a session that is opened in the binary framing of protocol 3', async () => {
  const length = Array.from(String(OPEN.length), Number);
  const body = Buffer.concat([Buffer.from([0, ...length, 0xff]), Buffer.from(OPEN)]);
  const { url } = await startProxy({ hosts: [await hostAnswering(body)] });
  expect((await request(`${url}/socket.io/?EIO=3&transport=polling`)).bytes).toEqual(body);
  expect((await request(pollUrl(url, 's-1'))).body).toBe('2');
});

/** A handshake's answer with the whole state of an application in it, which compresses hardly. */
const LARGE = `${OPEN}\x1e42["state","${Array.from({ length: 200_000 }, (_, i) => (i * 7919) % 999_983).join()}"]`;

it.each<[encoding: string, framing: string, body: Buffer]>([
  ['identity', 'Content-Length', Buffer.from(LARGE)],
  ['identity', 'chunks', Buffer.from(LARGE)],
  ['gzip', 'Content-Length', gzipSync(LARGE)],
  ['br', 'chunks', brotliCompressSync(LARGE, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } })],
])('binds a session whose handshake is answered with a large state in %s, by %s', async (encoding, framing, body) => {
  const framed = framing === 'chunks' ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': String(body.length) };
  const name = await hostAnswering(body, { 'Content-Encoding': encoding, ...framed });
  const { url } = await startProxy({ hosts: [name] });
  const reply = await request(`${url}/socket.io/?EIO=4&transport=polling`);
  expect(reply.bytes.equals(body)).toBe(true);
  expect((await request(pollUrl(url, 's-1'))).body).toBe('2');
});

it.each(['gzip', 'br', 'deflate'] as const)('binds a session whose handshake is small in %s, and large without', async (encoding) => {
  const state = `${OPEN}\x1e42["state","${'users '.repeat(20_000)}"]`;
  const body = { gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync }[encoding](state);
  const { url } = await startProxy({ hosts: [await hostAnswering(body, { 'Content-Encoding': encoding })] });
  expect((await request(`${url}/socket.io/?EIO=4&transport=polling`)).bytes.equals(body)).toBe(true);
  expect((await request(pollUrl(url, 's-1'))).body).toBe('2');
});

it('answers a handshake with a large state only once its session is stored, and refuses it where it is to be', async () => {
  const store = new MemoryStore();
  let release = (): void => {};
  const asked = new Promise<void>((resolve) => {
    store.bind = () => {
      resolve();
      return new Promise((_, reject) => (release = () => reject(new Error('no store'))));
    };
  });
  const { url } = await startProxy({ hosts: [await hostAnswering(LARGE)], store, onStoreFailure: 'refuse' });
  const reply = request(`${url}/socket.io/?EIO=4&transport=polling`);
  await asked;
  release();
  const { status, json } = await reply;
  expect([status, json()]).toEqual([503, expect.objectContaining({ code: 'STORE_FAILED' })]);
});

it('asks a host for no encoding of a handshake that it cannot read', async () => {
  const accepted: unknown[] = [];
  const { name } = await startServer((req, res) => {
    accepted.push(req.headers['accept-encoding']);
    res.end((req.url ?? '').includes('sid=') ? '2' : OPEN);
  });
  const { url } = await startProxy({ hosts: [name], checkInterval: 3_600_000 });
  const headers = { 'Accept-Encoding': 'gzip, deflate, br, zstd' };
  accepted.length = 0;
  await request(`${url}/socket.io/?EIO=4&transport=polling`, { headers });
  await request(pollUrl(url, 's-1'), { headers });
  expect(accepted.slice(-2)).toEqual(['gzip, deflate, br', 'gzip, deflate, br, zstd']);
});

it('binds a session that netty-socketio opens by JSONP, in single quotes', async () => {
  const { url } = await startProxy({ hosts: [await hostAnswering(`___eio[0]('${OPEN.length}:${OPEN}');`)] });
  expect((await request(`${url}/socket.io/?EIO=3&transport=polling&j=0`)).status).toBe(200);
  expect((await request(`${pollUrl(url, 's-1')}&j=0`)).body).toBe('2');
});

it('binds a session whose sid is a number', async () => {
  const { url } = await startProxy({ hosts: [await hostAnswering('0{"sid":17,"pingInterval":25000,"pingTimeout":20000}')] });
  await request(`${url}/socket.io/?EIO=4&transport=polling`);
  expect((await request(pollUrl(url, '17'))).body).toBe('2');
});

it('tells of a session once it is bound', async () => {
  const name = await hostAnswering(OPEN);
  const { proxy, url } = await startProxy({ hosts: [name] });
  const told = once(proxy, 'session') as Promise<[Session]>;
  const sid = await handshake(url);
  expect((await told)[0]).toEqual({ sid, host: name, transport: 'polling' });
});

it('tells once of a session whose handshake has its end just behind the bytes that make it too large to gather', async () => {
  const body = OPEN.padEnd(65_600);
  const { proxy, url } = await startProxy({ hosts: [await hostAnswering(body, { 'Transfer-Encoding': 'chunked' })] });
  let sessions = 0;
  proxy.on('session', () => sessions += 1);
  expect((await request(`${url}/socket.io/?EIO=4&transport=polling`)).body).toBe(body);
  expect((await request(pollUrl(url, 's-1'))).body).toBe('2');
  expect(sessions).toBe(1);
});

it('binds nothing for a response that is no handshake', async () => {
  // A poll's answer, or a file, may look like an OPEN packet.
  const { name } = await startServer((_, res) => res.end(OPEN));
  const { proxy, url } = await startProxy({ hosts: [name] });
  let sessions = 0;
  proxy.on('session', () => sessions += 1);
  for (const path of ['socket.io.js', '?EIO=4', '?EIO=4&transport=websocket', '?xtransport=polling']) {
    expect((await request(`${url}/socket.io/${path}`)).body).toBe(OPEN);
  }
  expect((await request(`${url}/socket.io/?transport=polling`, { method: 'POST', body: 'x' })).body).toBe(OPEN);
  expect((await request(pollUrl(url, 's-1'))).status).toBe(400);
  expect(sessions).toBe(0);
});

it('takes only an answer of status 200 for a handshake', async () => {
  const { name } = await startServer((_, res) => res.writeHead(403).end(OPEN));
  const { url } = await startProxy({ hosts: [name] });
  expect((await request(`${url}/socket.io/?EIO=4&transport=polling`)).status).toBe(403);
  expect((await request(pollUrl(url, 's-1'))).status).toBe(400);
});

it('lets a handshake wait for the first health round, so that it succeeds', async () => {
  // Two that refuse: one that did not wait would go to one of them, or find none up.
  const { url } = await startProxy({ hosts: ['127.0.0.1:1', '127.0.0.1:2', await hostAnswering(OPEN)] });
  expect(await handshake(url)).toBe('s-1');
});
