import type { RequestListener } from 'node:http';
import { MemoryStore } from '../../src';
import { exchangeBytes, handshake, request, startServer } from '../support/http';
import { startProxy, type Started } from '../support/proxy';

const POLL = '/socket.io/?EIO=4&transport=polling';
const BAD = `${POLL}&sid=bad`;
const SWITCH = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
const UPGRADE = `Host: a.example\r\n${SWITCH}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n\r\n`;

/** A proxy before a host that opens sessions well, and answers the sid `bad`, and upgrades, with what is given. */
async function answering(bytes: string): Promise<Started> {
  const rubbish = Buffer.from(bytes, 'latin1');
  const handler: RequestListener = (req, res) => {
    if (req.url?.includes('sid=bad')) req.socket.end(rubbish);
    else res.end('0{"sid":"well"}');
  };
  const { server, name } = await startServer(handler);
  server.on('upgrade', (_, socket) => socket.end(rubbish));
  const store = new MemoryStore();
  await store.bind('bad', name, 60);
  return startProxy({ hosts: [name], store });
}

const RUBBISH: [name: string, bytes: string][] = [
  ['no HTTP', 'hello\r\n\r\n'],
  ['zeros', '\0'.repeat(100)],
  ['TLS', '\x16\x03\x03\x00\x02\x01\x00'],
  ['nothing', ''],
  ['an incomplete head', 'HTTP/1.1 200 OK\r\nX-A: 1\r\n'],
  ['another version', 'HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a status of no digits', 'HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a null in a header', 'HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n'],
  ['a control character in a header', 'HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 0\r\n\r\n'],
  ['a DEL in a header', 'HTTP/1.1 200 OK\r\nX-A: a\x7fb\r\nContent-Length: 0\r\n\r\n'],
  ['a carriage return in a header', 'HTTP/1.1 200 OK\r\nX-A: a\rb\r\nContent-Length: 0\r\n\r\n'],
  ['a space in the name of a header', 'HTTP/1.1 200 OK\r\nX A: 1\r\nContent-Length: 0\r\n\r\n'],
  ['a header with no name', 'HTTP/1.1 200 OK\r\n: 1\r\nContent-Length: 0\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\na'],
  ['a length of no digits', 'HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n'],
  ['both framings', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a head over 16 KiB', `HTTP/1.1 200 OK\r\nX-A: ${'x'.repeat(20_000)}\r\nContent-Length: 0\r\n\r\n`],
];

describe('a host that answers', () => {
  it.each([
    ...RUBBISH,
    ['a switch of protocols that nobody asked for', `HTTP/1.1 101 Switching Protocols\r\n${SWITCH}\r\n`],
    ['only an interim response', 'HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n'],
  ] as typeof RUBBISH)('with %s is a failure', async (_, bytes) => {
    const proxy = await answering(bytes);
    const reply = await request(proxy.url + BAD);
    expect(reply.status).toBe(502);
    expect(reply.json()).toMatchObject({ code: 'HOST_FAILED' });
    expect(await handshake(proxy.url)).toBe('well');
  });

  it.each(RUBBISH)('an upgrade with %s is a failure', async (_, bytes) => {
    const proxy = await answering(bytes);
    const response = await exchangeBytes(proxy.port, `GET ${POLL} HTTP/1.1\r\n${UPGRADE}`);
    expect(response).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/);
    expect(await handshake(proxy.url)).toBe('well');
  });

  it.each(['099', '000'])('with the status %s is a failure', async (status) => {
    const proxy = await answering(`HTTP/1.1 ${status} Odd\r\nContent-Length: 0\r\n\r\n`);
    expect((await request(proxy.url + BAD)).status).toBe(502);
    expect(await handshake(proxy.url)).toBe('well');
  });

  it('with a body that is longer than its length is cut there', async () => {
    const second = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmore';
    const proxy = await answering(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${second}`);
    expect(await request(proxy.url + BAD)).toMatchObject({ status: 200, body: 'ok' });
    expect(await handshake(proxy.url)).toBe('well');
  });

  it('with a broken chunk shows the client that the response is not whole', async () => {
    const proxy = await answering('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nxyz\r\n');
    const head = `GET ${BAD} HTTP/1.1\r\nHost: a.example\r\n\r\n`;
    expect(await exchangeBytes(proxy.port, head)).not.toContain('0\r\n\r\n');
    expect(await handshake(proxy.url)).toBe('well');
  });

  it('before the request has ended has its answer passed on', async () => {
    const proxy = await answering('HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig');
    const head = `POST ${BAD} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n`;
    expect(await exchangeBytes(proxy.port, head + 'x'.repeat(20_000))).toMatch(/^HTTP\/1\.1 413 /);
    expect(await handshake(proxy.url)).toBe('well');
  });
});
