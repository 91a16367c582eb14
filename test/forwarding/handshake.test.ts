import { once } from 'node:events';
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { MemoryStore } from '../../src';
import type { Session } from '../../src/forwarding/forwarder';
import { handshake, pollUrl, request, startServer, type Reply } from '../support/http';
import { startProxy } from '../support/proxy';
import { clientSid, hostSid, onSids } from '../support/stores';

const POLL = '/socket.io/?EIO=4&transport=polling';

const openOf = (sid: string): string => `0{"sid":"${sid}","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}`;
const OPEN = openOf('s-1');

/** How a protocol has a packet in a body. */
type Framing = (packet: string) => string | Buffer;

const plainly: Framing = (packet) => packet;
const withLength = (packet: string): string => `${packet.length}:${packet}`;
const inBinary: Framing = (packet) => Buffer.from([0, ...Array.from(String(packet.length), Number), 0xff, ...Buffer.from(packet)]);
/** A handshake's answer with the whole state of an application in it, which compresses hardly. */
const STATE = Array.from({ length: 200_000 }, (_, i) => (i * 7919) % 999_983).join();
const withState: Framing = (packet) => `${packet}\x1e42["state","${STATE}"]`;

/** A host that opens one session, with the body that is given, and answers its polls with "2". */
async function hostAnswering(body: string | Buffer, headers: Record<string, string> = {}): Promise<string> {
  const { name } = await startServer((req, res) => {
    if (!(req.url ?? '').includes('transport=polling')) res.writeHead(400).end();
    else if ((req.url ?? '').includes('sid=')) res.end('2');
    else res.writeHead(200, { 'Content-Type': 'text/plain; charset=UTF-8', ...headers }).end(body);
  });
  return name;
}

/** The client gets the host's answer as it is; in the tier `sid` not compressed, and with the token, in all framings. */
function expectPassed({ status, bytes, headers }: Reply, host: string, framing: Framing, body: Buffer, encoding: string): void {
  const passed = onSids ? Buffer.from(framing(openOf(clientSid('s-1', host)))) : body;
  expect([status, headers['content-encoding']]).toEqual([200, onSids ? undefined : encoding]);
  if (headers['content-length'] !== undefined) expect(headers['content-length']).toBe(String(passed.length));
  expect(bytes.equals(passed)).toBe(true);
}

/** An answer whose sid cannot be given its token opens no session. */
function expectNoToken({ status, json }: Reply): void {
  expect([status, json()]).toEqual([502, expect.objectContaining({ code: 'HOST_FAILED' })]);
}

it.each([
  ['gzip', gzipSync(OPEN)],
  ['deflate', deflateSync(OPEN)],
  ['deflate', deflateRawSync(OPEN)],
  ['br', brotliCompressSync(OPEN)],
  ['identity', Buffer.from(OPEN)],
])('binds a session whose handshake is answered in %s, and passes the answer on unchanged', async (encoding, body) => {
  const name = await hostAnswering(body, { 'Content-Encoding': encoding });
  const { url } = await startProxy({ hosts: [name] });
  expectPassed(await request(url + POLL), name, plainly, body, encoding);
  expect((await request(pollUrl(url, clientSid('s-1', name)))).body).toBe('2');
});

it.each<[string, query: string, Framing]>([
  ['by JSONP, in the framing of protocol 3', 'EIO=3&j=0', (packet) => `___eio[0](${JSON.stringify(withLength(packet))});`],
  ['by JSONP, in the framing of protocol 4', 'EIO=4&j=0', (packet) => `___eio[0](${JSON.stringify(packet)});`],
  ['by netty-socketio by JSONP, in single quotes', 'EIO=3&j=0', (packet) => `___eio[0]('${withLength(packet)}');`],
  ['in the binary framing of protocol 3', 'EIO=3', inBinary],
])('binds a session that is opened %s', async (_, query, framing) => {
  const name = await hostAnswering(framing(OPEN));
  const { url } = await startProxy({ hosts: [name] });
  const reply = await request(`${url}/socket.io/?transport=polling&${query}`);
  expect(reply.status).toBe(200);
  expect(reply.bytes).toEqual(Buffer.from(framing(openOf(clientSid('s-1', name)))));
  expect((await request(`${pollUrl(url, clientSid('s-1', name))}&j=0`)).body).toBe('2');
});

const LARGE = withState(OPEN);

it.each<[encoding: string, framing: string, body: Buffer]>([
  ['identity', 'Content-Length', Buffer.from(LARGE)],
  ['identity', 'chunks', Buffer.from(LARGE)],
  ['gzip', 'Content-Length', gzipSync(LARGE)],
  ['br', 'chunks', brotliCompressSync(LARGE, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } })],
])('binds a session whose handshake is answered with a large state in %s, by %s', async (encoding, framing, body) => {
  const framed = framing === 'chunks' ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': String(body.length) };
  const name = await hostAnswering(body, { 'Content-Encoding': encoding, ...framed });
  const { url } = await startProxy({ hosts: [name] });
  const reply = await request(url + POLL);
  // In the tier `sid`, hosts are asked for no encoding.
  if (onSids && encoding !== 'identity') {
    expectNoToken(reply);
    return;
  }
  expectPassed(reply, name, withState, body, encoding);
  expect((await request(pollUrl(url, clientSid('s-1', name)))).body).toBe('2');
});

it.each(['gzip', 'br', 'deflate'] as const)('binds a session whose handshake is small in %s, and large without', async (encoding) => {
  const state = `${OPEN}\x1e42["state","${'users '.repeat(20_000)}"]`;
  const body = { gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync }[encoding](state);
  const { url } = await startProxy({ hosts: [await hostAnswering(body, { 'Content-Encoding': encoding })] });
  const reply = await request(url + POLL);
  if (onSids) {
    expectNoToken(reply);
    return;
  }
  expect(reply.bytes.equals(body)).toBe(true);
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
  const reply = request(url + POLL);
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
  await request(url + POLL, { headers });
  await request(pollUrl(url, clientSid('s-1', name)), { headers });
  // In the tier `sid`, the answer is to be changed.
  expect(accepted.slice(-2)).toEqual([onSids ? 'identity' : 'gzip, deflate, br', 'gzip, deflate, br, zstd']);
});

it('binds a session whose sid is a number', async () => {
  const name = await hostAnswering('0{"sid":17,"pingInterval":25000,"pingTimeout":20000}');
  const { url } = await startProxy({ hosts: [name] });
  await request(url + POLL);
  expect((await request(pollUrl(url, clientSid('17', name)))).body).toBe('2');
});

it('tells of a session once it is bound', async () => {
  const name = await hostAnswering(OPEN);
  const { proxy, url } = await startProxy({ hosts: [name] });
  const told = once(proxy, 'session') as Promise<[Session]>;
  const sid = await handshake(url);
  expect((await told)[0]).toEqual({ sid, host: name, transport: 'polling' });
});

it('tells once of a session whose handshake has its end just behind the bytes that make it too large to gather', async () => {
  const sent = OPEN.padEnd(65_600);
  const name = await hostAnswering(sent, { 'Transfer-Encoding': 'chunked' });
  const { proxy, url } = await startProxy({ hosts: [name] });
  const sid = clientSid('s-1', name);
  let sessions = 0;
  proxy.on('session', () => sessions += 1);
  const { body } = await request(url + POLL);
  if (onSids) expect(body.trimEnd()).toBe(openOf(sid));
  else expect(body).toBe(sent);
  expect((await request(pollUrl(url, sid))).body).toBe('2');
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
  expect((await request(url + POLL)).status).toBe(403);
  expect((await request(pollUrl(url, 's-1'))).status).toBe(400);
});

it('lets a handshake wait for the first health round, so that it succeeds', async () => {
  // Two that refuse: one that did not wait would go to one of them, or find none up.
  const { url } = await startProxy({ hosts: ['127.0.0.1:1', '127.0.0.1:2', await hostAnswering(OPEN)] });
  expect(hostSid(await handshake(url))).toBe('s-1');
});
