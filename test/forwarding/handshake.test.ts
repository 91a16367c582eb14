import { once } from 'node:events';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
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

it('tells of a session once it is bound', async () => {
  const name = await hostAnswering(OPEN);
  const { proxy, url } = await startProxy({ hosts: [name] });
  const told = once(proxy, 'session') as Promise<[Session]>;
  const sid = await handshake(url);
  expect((await told)[0]).toEqual({ sid, host: name, transport: 'polling' });
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
