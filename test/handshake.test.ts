import { once } from 'node:events';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import type { Session } from '../src/forwarder';
import { startHost, startHosts, type HostProcess } from './support/hosts';
import { handshake, pollUrl, request, startServer } from './support/http';
import { startProxy } from './support/proxy';

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

it('binds a session of the real servers\' own compression', async () => {
  const host = await startHost({ httpCompression: { threshold: 1 } });
  const { url } = await startProxy({ hosts: [host.name] });
  const reply = await request(`${url}/socket.io/?EIO=4&transport=polling`, { headers: { 'Accept-Encoding': 'gzip' } });
  expect(reply.headers['content-encoding']).toBe('gzip');
});

it.each([
  [2, 3], [3, 3], [4, 3], [3, 4], [4, 4],
] as const)('routes a JSONP session: server of version %i, Engine.IO protocol %i', async (version, protocol) => {
  // Polls are answered by the next ping.
  const hosts = await startHosts(2, { version, pingInterval: 200 });
  const { url } = await startProxy({ hosts: hosts.map(({ name }) => name) });
  const base = `${url}/socket.io/?EIO=${protocol}&transport=polling&j=0`;
  const opened = await request(base);
  const payload = JSON.parse(/^___eio\[0\]\((".*")\);?$/.exec(opened.body)?.[1] ?? 'null') as string;
  const { sid } = JSON.parse(/\{[^}]*\}/.exec(payload)?.[0] ?? 'null') as { sid: string };
  // Ten in a row: at random, half of them would miss.
  for (let i = 0; i < 10; i += 1) {
    const packet = protocol === 3 ? '1:2' : '3';
    const posted = await request(`${base}&sid=${sid}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: `d=${encodeURIComponent(packet)}`,
    });
    expect([posted.status, posted.body]).toEqual([200, 'ok']);
  }
  const polled = await request(`${base}&sid=${sid}`);
  expect(polled.body).toMatch(/^___eio\[0\]\(".*"\);?$/);
});

it('binds a session that is opened in the binary framing of protocol 3', async () => {
  const length = Array.from(String(OPEN.length), Number);
  const body = Buffer.concat([Buffer.from([0, ...length, 0xff]), Buffer.from(OPEN)]);
  const { url } = await startProxy({ hosts: [await hostAnswering(body)] });
  expect((await request(`${url}/socket.io/?EIO=3&transport=polling`)).bytes).toEqual(body);
  expect((await request(pollUrl(url, 's-1'))).body).toBe('2');
});

it('tells of a session once it is bound', async () => {
  const host = await startHost();
  const { proxy, url } = await startProxy({ hosts: [host.name] });
  const told = once(proxy, 'session') as Promise<[Session]>;
  const sid = await handshake(url);
  expect((await told)[0]).toEqual({ sid, host: host.name, transport: 'polling' });
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

describe('choice of a host', () => {
  let hosts: HostProcess[];

  beforeAll(async () => {
    hosts = await startHosts(3);
  });

  it('is random among those that are up', async () => {
    const { proxy, url } = await startProxy({ hosts: hosts.map(({ name }) => name) });
    const counts = new Map<string, number>();
    const order: string[] = [];
    proxy.on('session', ({ host }) => {
      counts.set(host, (counts.get(host) ?? 0) + 1);
      order.push(host);
    });
    await Promise.all(Array.from({ length: 300 }, () => handshake(url)));
    expect(counts.size).toBe(3);
    // 300 draws at ⅓: beyond 60 and 140 lie five standard deviations.
    for (const count of counts.values()) {
      expect(count).toBeGreaterThan(60);
      expect(count).toBeLessThan(140);
    }
    // In turn, each would differ from the one before; at random a third does not.
    const repeats = order.filter((host, i) => host === order[i - 1]).length;
    expect(repeats).toBeGreaterThan(50);
  });

  it('waits for the first health round, so that the first request succeeds', async () => {
    // Two that refuse: a request that did not wait would go to one of them, or find none up.
    const { url } = await startProxy({ hosts: ['127.0.0.1:1', '127.0.0.1:2', hosts[0]?.name ?? ''] });
    await expect(handshake(url)).resolves.toEqual(expect.any(String));
  });
});
