import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import net, { type Socket } from 'node:net';
import type { ProxyOptions } from '../../src';
import { stopClock, type Clock } from './clock';
import { request, startServer, type RequestOptions } from './http';
import { startProxy } from './proxy';
import { until } from './until';

const POLL = '/socket.io/?EIO=4';

export interface Bench {
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
  /** Sends a request that the host holds, and resolves with how to have it answered with these headers. */
  hold(): Promise<(headers?: OutgoingHttpHeaders) => Promise<number>>;
  /** Lets time pass in steps in which idle connections are looked at. */
  pass(ms: number): Promise<void>;
  /** The host takes no new connections, and has ended its own unless it goes on with them. */
  stop(goesOn?: boolean): Promise<void>;
  resume(): Promise<void>;
}

/** A proxy before a host that closes no connection by itself, with the clock stopped. */
export async function startBench(options: Partial<ProxyOptions> = {}): Promise<Bench> {
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
    async hold() {
      const { handler } = bench;
      const held: ServerResponse[] = [];
      bench.handler = (_, res) => void held.push(res);
      const status = bench.send();
      await until('it is held', () => held.length === 1);
      bench.handler = handler;
      return (headers) => {
        held[0]?.writeHead(200, headers).end();
        return status;
      };
    },
    async pass(ms) {
      for (let passed = 0; passed < ms; passed += 100) {
        await clock.advance(Math.min(100, ms - passed));
        await new Promise(setImmediate);
      }
    },
    async stop(goesOn = false) {
      // That of `http.Server` would end idle connections.
      net.Server.prototype.close.call(server);
      if (!goesOn) server.closeAllConnections();
      while (proxy.hosts[0]?.state !== 'down') {
        // On connections that go on, it would be answered.
        if (!goesOn) await bench.send();
        await bench.pass(100);
      }
    },
    async resume() {
      server.listen(port, '127.0.0.1');
      while (proxy.hosts[0]?.state !== 'up') await bench.pass(100);
    },
  };
  return bench;
}
