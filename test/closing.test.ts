import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Proxy, type ProxyOptions, type SessionStore } from '../src';
import { onCleanup } from './support/cleanup';
import { stopClock, type Clock } from './support/clock';
import { handshake, pollUrl, request, startServer } from './support/http';
import { startProxy, type ProxyInstance } from './support/proxy';
import { before, startSessionHost } from './support/session-host';
import { ownStore } from './support/stores';
import { until } from './support/until';
import { connect, upgradeOf } from './support/upgrades';

const HANDSHAKE = '/socket.io/?EIO=4&transport=polling';
const never = (): Promise<never> => new Promise(() => {});

/** A store that answers no look-up, and whose end never comes. */
const silentStore = (): SessionStore =>
  ({ bind: () => Promise.resolve(), find: never, unbind: () => Promise.resolve(), close: never });

const textOf = async (socket: Socket): Promise<string> => {
  let text = '';
  socket.on('data', (bytes: Buffer) => text += bytes.toString('latin1'));
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
};

/** A server of the test's, as an app would have it. */
async function startApp(listener?: http.RequestListener): Promise<http.Server> {
  const server = http.createServer(listener).listen(0, '127.0.0.1');
  onCleanup(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  return server;
}

/** Lets time pass by small steps, for what is real between them to happen, until the proxy is closed; how much it was. */
function timeToClose(clock: Clock, proxy: ProxyInstance): Promise<number> {
  let closed = false;
  void proxy.close(() => closed = true);
  return clock.advanceUntil('closed', () => closed, 50);
}

interface Silent {
  proxy: ProxyInstance;
  port: number;
  clock: Clock;
}

async function startSilent(options: Partial<ProxyOptions> = {}): Promise<Silent> {
  const host = await startSessionHost();
  const { proxy, port } = await startProxy({ hosts: [host.name], store: silentStore(), storeTimeout: 1_000_000_000, ...options });
  await until('it is up', () => proxy.hosts[0]?.state === 'up');
  return { proxy, port, clock: stopClock() };
}

/** How many requests and upgrades have come. */
function arrivals(server: NodeJS.EventEmitter): { count: number } {
  const seen = { count: 0 };
  server.prependListener('request', () => seen.count += 1);
  server.prependListener('upgrade', () => seen.count += 1);
  return seen;
}

describe('close, with what waits for the store', () => {
  it.each([
    ['a poll', `GET ${HANDSHAKE}&sid=x HTTP/1.1\r\nHost: a\r\n\r\n`],
    ['an upgrade', upgradeOf('x')],
  ])('waits for it, and refuses it after drainTimeout: %s', async (_, bytes) => {
    const { proxy, port, clock } = await startSilent({ drainTimeout: 5000 });
    const seen = arrivals(proxy.server);
    const text = textOf(await connect(port, bytes));
    await until('it has come', () => seen.count === 1);
    const took = await timeToClose(clock, proxy);
    expect(took).toBeGreaterThanOrEqual(5000);
    expect(took).toBeLessThanOrEqual(6000);
    expect(await text).toMatch(/^HTTP\/1\.1 503 [^]*connection: close[^]*"CLOSING"/i);
  });

  it('resolves in time though the store never closes', async () => {
    const { proxy, clock } = await startSilent({ drainTimeout: 0 });
    expect(await timeToClose(clock, proxy)).toBeLessThanOrEqual(1000);
  });

  it('waits for no client that has gone', async () => {
    const { proxy, port, clock } = await startSilent({ drainTimeout: 1_000_000 });
    const seen = arrivals(proxy.server);
    const poll = `GET ${HANDSHAKE}&sid=x HTTP/1.1\r\nHost: a\r\n\r\n`;
    const clients = [await connect(port, poll), await connect(port, `${upgradeOf('x')}early`)];
    await until('both have come', () => seen.count === 2);
    for (const client of clients) client.end();
    expect(await timeToClose(clock, proxy)).toBeLessThanOrEqual(100_000);
  });
});

it('refuses what waits for health checks that never end', async () => {
  const { server, name } = await startServer(() => {});
  const checked = once(server, 'request');
  const { proxy, port } = await startProxy({ hosts: [name], checkTimeout: 1_000_000, drainTimeout: 1 });
  await checked;
  const seen = arrivals(proxy.server);
  const texts = [textOf(await connect(port, upgradeOf())), textOf(await connect(port, `GET ${HANDSHAKE} HTTP/1.1\r\nHost: a\r\n\r\n`))];
  await until('both have come', () => seen.count === 2);
  await proxy.close();
  for (const text of texts) expect(await text).toMatch(/^HTTP\/1\.1 503 /);
});

it("ends in time on a server of the caller's that is polled all the time, and refuses the polls", async () => {
  const host = await startSessionHost();
  const server = await startApp((_, res) => res.end("the app's"));
  // Its end takes a moment, in which everything is refused.
  let closeStore = (): void => {};
  const store = Object.assign(ownStore(), { close: () => new Promise<void>((resolve) => closeStore = resolve) });
  const { proxy } = await before([host], { server, drainTimeout: 300, store });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sid = await handshake(url);
  let isClosed = false;
  const polls: { status: number; body: string; connection: string | undefined }[] = [];
  // One is always held.
  host.on('poll', () => void poll());
  const poll = async (): Promise<void> => {
    while (!isClosed) {
      try {
        const { status, body, headers } = await request(pollUrl(url, sid));
        polls.push({ status, body, connection: headers.connection });
        if (status === 503) closeStore();
      } catch {
        // It was cut.
      }
    }
  };
  const [polling] = [poll(), await once(host, 'poll')];
  const answering = setInterval(() => host.answer(), 20);
  onCleanup(() => clearInterval(answering));
  await proxy.close();
  isClosed = true;
  clearInterval(answering);
  await polling;
  expect(polls).toContainEqual({ status: 503, body: expect.stringContaining('CLOSING') as string, connection: 'close' });
  expect((await request(pollUrl(url, sid))).body).toBe("the app's");
});

it('refuses what waits for its turn behind a response of the app that does not end', async () => {
  const host = await startSessionHost();
  let finish = (): void => {};
  const server = await startApp((_, res) => finish = () => res.end("the app's"));
  const { proxy, port } = await before([host], { server, drainTimeout: 1 });
  const asked = once(server, 'request');
  const seen = arrivals(server);
  const socket = await connect(port, `GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET ${HANDSHAKE} HTTP/1.1\r\nHost: a\r\n\r\n`);
  const text = textOf(socket);
  await asked;
  await until('both have come', () => seen.count === 2);
  await proxy.close();
  finish();
  expect(await text).toMatch(/^HTTP\/1\.1 200 [^]*the app's[^]*HTTP\/1\.1 503 [^]*"CLOSING"/);
});

it('ends an admin server whose clients are stuck', async () => {
  const host = await startSessionHost();
  const proxy = new Proxy({ hosts: [host.name], store: ownStore(), drainTimeout: 0, admin: { port: 0 } });
  onCleanup(() => proxy.close());
  const operated = once(proxy, 'adminListening') as Promise<[AddressInfo]>;
  proxy.listen(0, '127.0.0.1');
  const [{ port }] = await operated;
  const begun = await connect(port, 'POST /api/hosts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{');
  const stream = await connect(port, 'GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  await once(stream, 'readable');
  const ended = once(begun, 'close');
  const clock = stopClock();
  expect(await timeToClose(clock, proxy)).toBeLessThanOrEqual(1000);
  begun.resume();
  await ended;
});

describe('listen', () => {
  it('throws after close', async () => {
    const host = await startSessionHost();
    const { proxy } = await before([host]);
    const closed = proxy.close();
    expect(() => proxy.listen(0)).toThrow('a closed proxy cannot listen again');
    await closed;
    expect(() => proxy.listen(0)).toThrow('a closed proxy cannot listen again');
  });
});

it('may be closed by a listener that hears that it closes', async () => {
  const host = await startSessionHost();
  const { proxy } = await before([host]);
  let [closing, closed] = [0, 0];
  proxy.on('closing', () => {
    closing += 1;
    void proxy.close();
  });
  proxy.on('close', () => closed += 1);
  await proxy.close();
  expect([closing, closed]).toEqual([1, 1]);
});
