import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import { onCleanup } from '../support/cleanup';
import { startServer } from '../support/http';
import { startProxy } from '../support/proxy';
import { clientSid, storeOf } from '../support/stores';
import { until } from '../support/until';
import { Duplex, type Writable } from 'node:stream';

const POLL = '/socket.io/?EIO=4&transport=polling';
/** The name by which clients' sids call the host: see `storeOf`. */
const ALIAS = 'streaming.example:80';
const SID = clientSid('known', ALIAS);
const CHUNK = Buffer.alloc(65_536, 'x');
const SIZE = 64 * 1024 * 1024;

/** The most that the proxy, and the kernel's buffers on both ways, may hold of what nobody reads. */
const MOST_HELD = SIZE / 2;

/** Writes `SIZE` bytes as fast as they are taken, and counts those that were. */
class Source {
  taken = 0;

  async pour(into: Writable): Promise<void> {
    for (let sent = 0; sent < SIZE; sent += CHUNK.length) {
      const more = into.write(CHUNK, () => (this.taken += CHUNK.length));
      if (!more) await once(into, 'drain');
    }
    into.end();
  }

  /**
   * Resolves when nothing moves any more. All ends are in this process, and loopback has no delay of its own, so
   * what has not moved for so many turns of the event loop is not going to.
   */
  async stalled(): Promise<void> {
    for (let idle = 0, last = -1; idle < 2000; idle += 1) {
      if (this.taken !== last) idle = 0;
      last = this.taken;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

const held = (): number => process.memoryUsage().arrayBuffers;

async function sizeOf(message: IncomingMessage): Promise<number> {
  let size = 0;
  for await (const chunk of message) size += (chunk as Buffer).length;
  return size;
}

describe.each([
  ['with Content-Length', { 'Content-Length': SIZE }],
  ['in chunks', { 'Transfer-Encoding': 'chunked' }],
])('64 MB %s', (_, headers) => {
  it.each([['a poll', `${POLL}&sid=${SID}`], ['a handshake', POLL]])(
    'of a response to %s wait at the host for a client that does not read',
    async (__, target) => {
      const source = new Source();
      const { name } = await startServer((req, res) => {
        if (req.url?.includes('?')) void source.pour(res.writeHead(200, headers));
        else res.end();
      });
      const store = storeOf(name, ALIAS);
      await store.bind(SID, name, 60);
      const { url } = await startProxy({ hosts: [name], store });
      const before = held();
      const req = http.get(url + target, { agent: false });
      onCleanup(() => req.destroy());
      const [response] = await once(req, 'response') as [IncomingMessage];
      await source.stalled();
      expect(source.taken).toBeLessThan(MOST_HELD);
      expect(held() - before).toBeLessThan(MOST_HELD);
      expect(await sizeOf(response)).toBe(SIZE);
    },
  );

  it('of an upload wait at the client for a host that does not read', async () => {
    let give: (req: IncomingMessage) => void;
    const given = new Promise<IncomingMessage>((resolve) => (give = resolve));
    const { name } = await startServer((req, res) => {
      if (!req.url?.includes('?')) {
        res.end();
        return;
      }
      give(req);
      req.on('end', () => res.end('all of it'));
    });
    const { url } = await startProxy({ hosts: [name] });
    const before = held();
    const req = http.request(url + POLL, { agent: false, method: 'POST', headers });
    onCleanup(() => req.destroy());
    const responded = once(req, 'response') as Promise<[IncomingMessage]>;
    const source = new Source();
    void source.pour(req);
    const hostReq = await given;
    await source.stalled();
    expect(source.taken).toBeLessThan(MOST_HELD);
    expect(held() - before).toBeLessThan(MOST_HELD);
    expect(await sizeOf(hostReq)).toBe(SIZE);
    expect((await responded)[0].statusCode).toBe(200);
  });
});

it("waits at the host for a client whose stream takes nothing, with a handshake's answer that is too large to gather", async () => {
  const source = new Source();
  const { name } = await startServer((req, res) => {
    if (req.url?.includes('?')) void source.pour(res);
    else res.end();
  });
  const { proxy } = await startProxy({ hosts: [name] });
  const stream = new Duplex({ read: () => {}, write: () => {} });
  onCleanup(() => stream.destroy());
  proxy.server.emit('connection', stream);
  stream.push(`GET ${POLL} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await until('its answer has begun', () => stream.writableLength > 0);
  await source.stalled();
  expect(source.taken).toBeLessThan(MOST_HELD);
});
