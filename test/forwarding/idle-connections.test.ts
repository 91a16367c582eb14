import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ProxyOptions } from '../../src';
import { stopClock, type Clock } from '../support/clock';
import { request, startServer, type RequestOptions } from '../support/http';
import { startProxy } from '../support/proxy';
import { until } from '../support/until';

const POLL = '/socket.io/?EIO=4';

interface Bench {
  clock: Clock;
  /** Sends a request, and resolves with its status. */
  send(options?: RequestOptions): Promise<number>;
  /** Sends some, and resolves with how many connections they had. */
  used(count: number): Promise<number>;
  /** The socket of each request that has arrived. */
  sockets: Socket[];
  /** What each has said of its connection. */
  asked: (string | undefined)[];
  /** The host comes to say that it keeps connections for so many seconds, or no more. */
  says(timeout: number): void;
  /** What it does with requests instead of answering. */
  handler: ((req: IncomingMessage, res: ServerResponse) => void) | undefined;
  /** Lets time pass in steps in which idle connections are looked at. */
  pass(ms: number): Promise<void>;
  stop(): Promise<void>;
  resume(): Promise<void>;
}

/** A proxy before a host that closes no connection by itself, with the clock stopped. */
async function stand(options: Partial<ProxyOptions> = {}): Promise<Bench> {
  const clock = stopClock();
  let headers = {};
  const { name, port, server } = await startServer((req, res) => {
    if (req.url?.includes('?')) {
      bench.sockets.push(req.socket);
      bench.asked.push(req.headers.connection);
      if (bench.handler) bench.handler(req.resume(), res);
      else req.resume().on('end', () => res.writeHead(200, headers).end('ok'));
    } else {
      res.writeHead(400, { Connection: 'close' }).end();
    }
  }, { keepAliveTimeout: 0 });
  const { url, proxy } = await startProxy({ hosts: [name], checkInterval: 3_600_000, ...options });
  await until('the host is up', () => proxy.hosts[0]?.state === 'up');
  const bench: Bench = {
    clock,
    sockets: [],
    asked: [],
    handler: undefined,
    says: (timeout) => void (headers = { Connection: 'keep-alive', 'Keep-Alive': `timeout=${timeout}` }),
    send: async (how) => (await request(url + POLL, how)).status,
    async used(count) {
      const before = bench.sockets.length;
      for (let i = 0; i < count; i += 1) expect(await bench.send()).toBe(200);
      return new Set(bench.sockets.slice(before)).size;
    },
    async pass(ms) {
      for (let passed = 0; passed < ms; passed += 100) {
        await clock.advance(Math.min(100, ms - passed));
        await new Promise(setImmediate);
      }
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      while ((await bench.send()) !== 502 && proxy.hosts[0]?.state !== 'down') await bench.pass(100);
    },
    async resume() {
      server.listen(port, '127.0.0.1');
      while (proxy.hosts[0]?.state !== 'up') await bench.pass(100);
    },
  };
  return bench;
}

/** Lets a host show that it keeps idle connections. */
async function learn(bench: Bench, watch = 4000): Promise<void> {
  expect(await bench.used(20)).toBe(20);
  await bench.pass(watch);
  for (let i = 0; i < 2; i += 1) {
    expect(await bench.used(1)).toBe(1);
    await bench.pass(200);
  }
}

/** Whether a connection is reused that has been idle for so long. */
async function isReusedAfter(bench: Bench, ms: number): Promise<boolean> {
  await bench.used(1);
  await bench.clock.advance(ms);
  await bench.used(1);
  return bench.sockets.at(-1) === bench.sockets.at(-2);
}

it('reuses connections when 20 have stayed open for 4 s, and each within a second', async () => {
  const bench = await stand();
  await learn(bench);
  // Those that were not watched were not to be kept.
  expect(bench.asked).toEqual([...Array<string>(20).fill('keep-alive'), 'close', 'close']);
  expect(await bench.used(10)).toBe(1);
  expect(await isReusedAfter(bench, 999)).toBe(true);
  expect(await isReusedAfter(bench, 1000)).toBe(false);
});

it('reuses none while fewer have stayed open, or not for so long', async () => {
  const bench = await stand();
  expect(await bench.used(19)).toBe(19);
  await bench.pass(3800);
  for (let i = 0; i < 10; i += 1) {
    expect(await bench.used(1)).toBe(1);
    await bench.pass(100);
  }
  expect(await bench.used(3)).toBe(3);
});

it('never reuses one again when the host has closed one of those that were watched', async () => {
  const bench = await stand();
  await bench.used(10);
  bench.sockets[3]?.end();
  await until('it is closed', () => bench.sockets[3]?.closed === true);
  for (let i = 0; i < 3; i += 1) {
    expect(await bench.used(20)).toBe(20);
    await bench.pass(5000);
  }
  expect(new Set(bench.asked.slice(20))).toEqual(new Set(['close']));
});

it('never reuses one again when the host closes one after all, be it hours later', async () => {
  const bench = await stand();
  await learn(bench);
  expect(await bench.used(10)).toBe(1);
  // In steps, idle connections would be looked at for as long.
  bench.clock.stall(3_600_000);
  expect(await bench.used(10)).toBe(1);
  bench.sockets.at(-1)?.end();
  await until('it is closed', () => bench.sockets.at(-1)?.closed === true);
  expect(await bench.used(10)).toBe(10);
  await bench.pass(10_000);
  expect(await bench.used(10)).toBe(10);
});

it('learns anew of a host that was restarted', async () => {
  const bench = await stand({ checkInterval: 500 });
  await bench.used(1);
  bench.sockets[0]?.end();
  await until('it is closed', () => bench.sockets[0]?.closed === true);
  await bench.stop();
  await bench.resume();
  await learn(bench);
  expect(await bench.used(10)).toBe(1);
});

it('believes a host that says for how long it keeps them, less half of that', async () => {
  const bench = await stand();
  bench.says(6);
  await learn(bench);
  expect(await isReusedAfter(bench, 2999)).toBe(true);
  expect(await isReusedAfter(bench, 3000)).toBe(false);
});

it.each([0, 1])('asks a host that says %p s not to keep any', async (timeout) => {
  const bench = await stand();
  bench.says(timeout);
  expect(await bench.used(5)).toBe(5);
  expect(bench.asked).toEqual(['keep-alive', 'close', 'close', 'close', 'close']);
});

it('reuses them from the first request on where hostKeepAlive says for how long they are kept', async () => {
  const bench = await stand({ hostKeepAlive: 10_000 });
  expect(await bench.used(10)).toBe(1);
  expect(await isReusedAfter(bench, 4999)).toBe(true);
  expect(await isReusedAfter(bench, 5000)).toBe(false);
});

it('reuses none with a hostKeepAlive of 0', async () => {
  const bench = await stand({ hostKeepAlive: 0 });
  expect(await bench.used(5)).toBe(5);
  expect(new Set(bench.asked)).toEqual(new Set(['close']));
});

it('ends connections that are not to be kept after a second, where the host does not', async () => {
  const bench = await stand({ hostKeepAlive: 0 });
  bench.says(60);
  await bench.used(1);
  await bench.pass(800);
  expect(bench.sockets[0]?.readableEnded).toBe(false);
  await bench.pass(400);
  await until('it is closed', () => bench.sockets[0]?.closed === true);
});

it('ends a connection that is too old to be reused, though no other request comes, and trusts the host still', async () => {
  const bench = await stand({ hostKeepAlive: 10_000 });
  await bench.used(1);
  await bench.pass(4800);
  expect(bench.sockets[0]?.readableEnded).toBe(false);
  await bench.pass(400);
  await until('it is closed', () => bench.sockets[0]?.closed === true);
  expect(await bench.used(5)).toBe(1);
});

it('trusts a host still that closes a connection when it was not to be reused any more', async () => {
  const bench = await stand({ hostKeepAlive: 10_000 });
  await bench.used(1);
  bench.clock.stall(6000);
  bench.sockets[0]?.end();
  await until('it is closed', () => bench.sockets[0]?.closed === true);
  expect(await bench.used(5)).toBe(1);
});

it('keeps the idle ones, and trusts the host still, when a client leaves before it is answered', async () => {
  const bench = await stand({ hostKeepAlive: 60_000 });
  await bench.used(1);
  const leaving = new AbortController();
  const held: ServerResponse[] = [];
  bench.handler = (_, res) => void held.push(res);
  const left = expect(bench.send({ signal: leaving.signal })).rejects.toThrow('aborted');
  await until('it is held', () => held.length === 1);
  const other = bench.send();
  await until('both are held', () => held.length === 2);
  const [, first, second] = bench.sockets as [Socket, Socket, Socket];
  held[1]?.end();
  await other;
  leaving.abort();
  await left;
  await until('it is closed', () => first.closed);
  bench.handler = undefined;
  expect(await bench.used(5)).toBe(1);
  expect(bench.sockets.at(-1)).toBe(second);
});

describe('a connection that is reused, and ends before a byte of the answer', () => {
  const end = ({ socket }: IncomingMessage): void => void socket.end();

  it.each(['GET', 'OPTIONS', 'HEAD'])('costs no %s: it is sent once more, on a new one', async (method) => {
    const bench = await stand({ hostKeepAlive: 60_000 });
    await bench.used(1);
    bench.handler = (req) => {
      bench.handler = undefined;
      req.socket.end();
    };
    expect(await bench.send({ method })).toBe(200);
    expect(bench.sockets[1]).toBe(bench.sockets[0]);
    expect(bench.sockets[2]).not.toBe(bench.sockets[0]);
    // The host is not trusted any more.
    expect(await bench.used(5)).toBe(5);
  });

  it('fails when the new one ends so too', async () => {
    const bench = await stand({ hostKeepAlive: 60_000 });
    await bench.used(1);
    bench.handler = end;
    expect(await bench.send()).toBe(502);
    expect(bench.sockets).toHaveLength(3);
  });

  it('fails a POST, which could take effect twice', async () => {
    const bench = await stand({ hostKeepAlive: 60_000 });
    await bench.used(1);
    bench.handler = end;
    expect(await bench.send({ method: 'POST', body: 'x' })).toBe(502);
    expect(bench.sockets).toHaveLength(2);
  });

  it('fails a GET that the host has held for a second: it had it', async () => {
    const bench = await stand({ hostKeepAlive: 60_000 });
    await bench.used(1);
    let held: IncomingMessage | undefined;
    bench.handler = (req) => void (held = req);
    const status = bench.send();
    await until('it is held', () => held !== undefined);
    await bench.clock.advance(1000);
    held?.socket.end();
    expect(await status).toBe(502);
    expect(bench.sockets).toHaveLength(2);
  });

  it('fails a GET of whose answer there was a byte', async () => {
    const bench = await stand({ hostKeepAlive: 60_000 });
    await bench.used(1);
    bench.handler = ({ socket }) => socket.end('H');
    expect(await bench.send()).toBe(502);
    expect(bench.sockets).toHaveLength(2);
  });

  it('fails a GET whose connection was new', async () => {
    const bench = await stand({ hostKeepAlive: 0 });
    bench.handler = end;
    expect(await bench.send()).toBe(502);
    expect(bench.sockets).toHaveLength(1);
  });
});
