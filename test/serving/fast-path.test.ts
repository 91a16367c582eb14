import { once } from 'node:events';
import { IncomingMessage } from 'node:http';
import { Socket, type AddressInfo } from 'node:net';
import { duplexPair } from 'node:stream';
import { Proxy } from '../../src';
import { Connection } from '../../src/forwarding/connection';
import { PlainResponse } from '../../src/serving/plain-response';
import { createServer } from '../../src/serving/server';
import { onCleanup } from '../support/cleanup';
import { stopClock } from '../support/clock';
import { startServer } from '../support/http';
import { KeptClient } from '../support/kept-client';
import type { Started } from '../support/proxy';
import { ALIAS, client, get, OPEN, post, SID, stand } from '../support/kept-stand';
import { storeOf } from '../support/stores';
import { CERT, KEY } from '../support/tls';
import { until } from '../support/until';

const LIMITS = { maxHeaderSize: 16_384, headersTimeout: 20_000, requestTimeout: 120_000, keepAliveTimeout: 75_000, hostTimeout: 120_000 };
const UPGRADE = get(`&sid=${SID}`, 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAA');

/** The answers of the fast path: as many as it has given. */
let fast: jest.SpyInstance;

beforeEach(() => {
  fast = jest.spyOn(PlainResponse.prototype, 'end').mockClear();
});

it('serves a connection from its second request on, as long as the requests come one by one', async () => {
  const kept = await client(await stand());
  expect(fast).toHaveBeenCalledTimes(0);
  for (let i = 1; i < 4; i += 1) {
    await kept.ask(get());
    expect(fast).toHaveBeenCalledTimes(i);
  }
  // Node reads it, and gives the connection back.
  await kept.ask(get().replace('GET', 'OPTIONS'));
  await kept.ask(get());
  expect(fast).toHaveBeenCalledTimes(3);
});

it('serves again after a body that came in pieces', async () => {
  const started = await stand();
  const kept = await client(started);
  kept.socket.write(post('abcd').slice(0, -4));
  await started.read(kept);
  await kept.ask('abcd');
  expect(fast).toHaveBeenCalledTimes(0);
  await kept.ask(get());
  expect(fast).toHaveBeenCalledTimes(1);
});

it('serves over TLS', async () => {
  const server = createServer(LIMITS, { cert: CERT, key: KEY });
  const { name } = await startServer(({ url = '' }, res) => res.end(url.includes('sid=') ? 'ok' : OPEN));
  const proxy = new Proxy({ hosts: [name], store: storeOf(name, ALIAS), server, drainTimeout: 0 }, { ownsServer: true });
  onCleanup(() => proxy.close());
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const kept = await client(server.address() as AddressInfo, CERT);
  expect(await kept.ask(get())).toMatch(/^HTTP\/1\.1 200 [^]*ok$/);
  expect(fast).toHaveBeenCalledTimes(1);
});

it('upgrades a connection that it has served', async () => {
  const started = await stand();
  started.host.on('upgrade', (_, socket) => {
    socket.on('error', () => {});
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.on('data', (chunk: Buffer) => socket.write(chunk));
  });
  const kept = await client(started);
  await kept.ask(get());
  expect(fast).toHaveBeenCalledTimes(1);
  const { socket } = kept;
  socket.removeAllListeners('data').write(UPGRADE);
  const [head] = await once(socket, 'data') as [Buffer];
  expect(head.toString()).toMatch(/^HTTP\/1\.1 101 /);
  socket.write('a frame');
  const [echo] = await once(socket, 'data') as [Buffer];
  expect(echo.toString()).toBe('a frame');
});

describe('a client that goes away', () => {
  it.each([['closes', (kept: KeptClient) => kept.socket.destroy()], ['half-closes', (kept: KeptClient) => kept.socket.end()]])(
    'and %s ends its poll at the host', async (_, leave) => {
      const started = await stand();
      const kept = await client(started);
      const held = await started.hold(kept);
      const ended = once(held, 'close');
      leave(kept);
      await ended;
      await until('nothing is left', () => started.proxy.hosts[0]?.requests === 0);
      expect(held.writableFinished).toBe(false);
    });

  it('while it sends ahead ends its poll at the host', async () => {
    const started = await stand();
    const kept = await client(started);
    const held = await started.hold(kept);
    kept.socket.write(get());
    const ended = once(held, 'close');
    kept.socket.destroy();
    await ended;
    await until('nothing is left', () => started.proxy.hosts[0]?.requests === 0);
  });
});

describe('close()', () => {
  it('lets a request end that Node knows nothing of, and its connection with it', async () => {
    const started = await stand({ drainTimeout: 60_000 });
    const [busy, idle] = [await client(started), await client(started)];
    const held = await started.hold(busy);
    const closed = started.proxy.close();
    await idle.closed;
    held.end('late');
    const answer = await busy.response();
    expect(answer).toMatch(/\r\nConnection: close\r\n\r\nlate$/);
    await busy.closed;
    await closed;
    expect(fast).toHaveBeenCalledTimes(1);
  });

  it('ends a connection with an answer that says so', async () => {
    const clock = stopClock();
    const started = await stand({ shutdownDelay: 60_000 });
    const kept = await client(started);
    const held = await started.hold(kept);
    const closed = started.proxy.close();
    held.end('late');
    await kept.closed;
    expect(fast).toHaveBeenCalledTimes(1);
    await clock.advance(60_000);
    await closed;
  });

  it('leaves requests to Node from then on', async () => {
    const clock = stopClock();
    const started = await stand({ shutdownDelay: 60_000 });
    const kept = await client(started);
    void started.proxy.close();
    expect(await kept.ask(get())).toMatch(/\r\nConnection: close\r\n/);
    expect(fast).not.toHaveBeenCalled();
    await clock.advance(60_000);
  });
});

describe('a connection on which nothing passes', () => {
  it('is ended after keepAliveTimeout, but not while a request is served', async () => {
    const started = await stand({ keepAliveTimeout: 100 });
    const busy = await client(started);
    const held = await started.hold(busy);
    // It is idle from later on, and for as long.
    const idle = await client(started);
    await idle.ask(get());
    await idle.closed;
    held.end('late');
    expect(await busy.response()).toMatch(/late$/);
    await busy.closed;
    expect(fast).toHaveBeenCalledTimes(2);
  });

  it('is not told of to a listener while a request is served', async () => {
    const started = await stand({ keepAliveTimeout: 100 });
    const [busy, idle] = [await client(started), await client(started)];
    await busy.ask(get());
    const held = await started.hold(busy);
    const silent = new Set<Socket>();
    const told = new Promise<void>((resolve) => {
      started.proxy.server.on('timeout', (socket: Socket) => {
        silent.add(socket);
        resolve();
      });
    });
    await idle.ask(get());
    await told;
    held.end('late');
    expect(await busy.response()).toMatch(/late$/);
    expect([...silent].map(({ remotePort }) => remotePort)).toEqual([idle.socket.localPort]);
  });

  it('is ended after a keepAliveTimeout that was changed', async () => {
    const started = await stand({ keepAliveTimeout: 600_000 });
    const kept = await client(started);
    started.proxy.server.keepAliveTimeout = 100;
    await kept.ask(get());
    await kept.closed;
    expect(fast).toHaveBeenCalledTimes(1);
  });

  it('is ended after the time that Node gives a request', async () => {
    const started = await stand({ keepAliveTimeout: 50 });
    started.proxy.server.timeout = 150;
    const kept = await client(started);
    kept.socket.write(get(`&sid=${SID}&hold`));
    await kept.closed;
    await until('nothing is left', () => started.proxy.hosts[0]?.requests === 0);
  });

  it('is not ended as silent: Node has read its first request', async () => {
    const started = await stand({ headersTimeout: 100, requestTimeout: 100 });
    const kept = await client(started);
    for (let i = 0; i < 3; i += 1) {
      const silent = await KeptClient.connect(started.port);
      expect(await silent.response()).toMatch(/^HTTP\/1\.1 408 /);
    }
    expect(await kept.ask(get())).toMatch(/^HTTP\/1\.1 200 /);
    expect(fast).toHaveBeenCalledTimes(1);
  });
});

it('does not read what a client sends far ahead until the request that is served has its answer', async () => {
  const pause = jest.spyOn(Socket.prototype, 'pause');
  const started = await stand();
  const kept = await client(started);
  const held = await started.hold(kept);
  kept.socket.write(post('x'.repeat(10_000)).repeat(20));
  await until('it is no longer read', () => pause.mock.calls.length > 0);
  held.end('late');
  for (let i = 0; i < 21; i += 1) expect(await kept.response()).toMatch(i === 0 ? /late$/ : /ok$/);
});

/** The server's side of the next connection. */
async function accepted({ proxy }: Started): Promise<Socket> {
  const [socket] = await once(proxy.server, 'connection') as [Socket];
  return socket;
}

it('does not read on after many pieces of a byte either', async () => {
  const pause = jest.spyOn(Socket.prototype, 'pause').mockClear();
  const started = await stand();
  const [socket, kept] = await Promise.all([accepted(started), client(started)]);
  const held = await started.hold(kept);
  for (let i = 0; i < 64; i += 1) socket.emit('data', Buffer.from('x'));
  expect(pause).toHaveBeenCalled();
  held.end('late');
  expect(await kept.response()).toMatch(/late$/);
  expect(await kept.response()).toMatch(/^HTTP\/1\.1 400 /);
});

it('serves nothing on a connection that was ended from here', async () => {
  const started = await stand();
  const [socket, kept] = await Promise.all([accepted(started), client(started)]);
  const statuses: number[] = [];
  started.proxy.on('access', ({ status }) => void statuses.push(status));
  socket.end();
  socket.emit('data', Buffer.from(post('3')));
  await kept.closed;
  await until('nothing is left', () => started.proxy.hosts[0]?.requests === 0);
  expect(statuses).toEqual([]);
});

it('leaves a stream that is no socket to Node', async () => {
  const started = await stand();
  const [here, there] = duplexPair();
  started.proxy.server.emit('connection', there);
  here.setEncoding('latin1');
  for (const request of [get(''), get(), get()]) {
    const answer = once(here, 'data');
    here.write(request);
    expect(String(await answer)).toMatch(/^HTTP\/1\.1 200 /);
    // Node is done with a response a turn after it has left.
    await new Promise((resolve) => void setImmediate(resolve));
  }
  expect(fast).not.toHaveBeenCalled();
});

it('stops reading from a host whose client does not read', async () => {
  const body = 'x'.repeat(20_000_000);
  const pause = jest.spyOn(Connection.prototype, 'pause');
  const kept = await client(await stand({}, (_, res) => void res.end(body)));
  kept.socket.pause();
  kept.socket.write(get());
  await until('it has stopped', () => pause.mock.calls.length > 0);
  kept.socket.resume();
  expect((await kept.response()).endsWith(`\r\n\r\n${body}`)).toBe(true);
});

it('shows a balance function the handshake as Node would', async () => {
  const shown: unknown[] = [];
  const started = await stand({
    balance: ([host], request) => {
      const { method, url, headers, rawHeaders, httpVersion } = request;
      shown.push([request instanceof IncomingMessage, method, url, headers, rawHeaders, httpVersion]);
      return host?.host;
    },
  });
  const kept = await client(started);
  await kept.ask(get(''));
  expect(fast).toHaveBeenCalledTimes(1);
  expect(shown[1]).toEqual(shown[0]);
});

it('is not for a server of the caller\'s', async () => {
  const { server } = await startServer(() => {});
  const started = await stand({ server });
  const kept = await client(started);
  await kept.ask(get());
  expect(fast).not.toHaveBeenCalled();
});
