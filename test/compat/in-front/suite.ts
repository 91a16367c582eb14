import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Proxy, type ProxyOptions } from '../../../src';
import { Clients, TRANSPORTS, type ClientOptions, type Connected } from '../../support/clients';
import { onCleanup } from '../../support/cleanup';
import { startHosts, type HostProcess } from '../../support/hosts';
import { request, startServer, type RequestOptions } from '../../support/http';
import type { Balancer, StartBalancer } from '../../support/balancer';
import { lastingPort } from '../../support/program';
import { startProxy, type ProxyInstance } from '../../support/proxy';
import { openClient, uniqueKeyPrefix, type TestClient } from '../../support/redis';
import { tested } from '../../support/tested';
import { CERT } from '../../support/tls';

const POLLING = '/socket.io/?EIO=4&transport=polling';

let hosts: HostProcess[];
let clients: Clients;
let redisClient: TestClient;

beforeAll(async () => {
  // Held polls end soon: a proxy that is taken out has answered them before its requests go elsewhere.
  hosts = await startHosts(3, { pingInterval: 500, pingTimeout: 10_000 });
  clients = new Clients();
  redisClient = await openClient();
});

/** No host counts as down on a machine that is busy. */
const CHECKS = { checkTimeout: 20_000 };

/** Two proxies that share a Redis. */
async function startProxies(options: Partial<ProxyOptions> = {}): Promise<{ proxies: ProxyInstance[]; ports: number[] }> {
  const shared = { redisClient, keyPrefix: uniqueKeyPrefix(), hosts: hosts.map(({ name }) => name), ...CHECKS, ...options };
  const started = [await startProxy(shared), await startProxy(shared)];
  return { proxies: started.map(({ proxy }) => proxy), ports: started.map(({ port }) => port) };
}

const connect = (url: string, options: Partial<ClientOptions>): Promise<Connected> => clients.connect({ url, ca: CERT, ...options });

const connectMany = (url: string, count: number, options: Partial<ClientOptions>): Promise<Connected[]> =>
  Promise.all(Array.from({ length: count }, () => connect(url, options)));

const ask = (url: string, options: RequestOptions = {}): ReturnType<typeof request> => request(url, { ca: CERT, ...options });

const closeAll = (sessions: Connected[]): Promise<unknown> => Promise.all(sessions.map(({ key }) => clients.close(key)));

async function expectOwnHosts(sessions: Connected[]): Promise<void> {
  expect(await Promise.all(sessions.map(({ key }) => clients.host(key)))).toEqual(sessions.map(({ host }) => host));
}

/** Sees a server's connections and requests, and the connections that it has ended itself. */
class Traffic {
  requests = 0;
  open = 0;
  endedHere = 0;
  /** The URLs of the requests that were the first ones on their connections. */
  readonly firsts: string[] = [];
  readonly #server: ProxyInstance['server'];

  constructor({ server }: ProxyInstance) {
    this.#server = server;
    const unused = new Set<Socket>();
    server.on('request', ({ socket, url = '' }: IncomingMessage) => {
      this.requests += 1;
      if (unused.delete(socket)) this.firsts.push(url);
    });
    server.on('connection', (socket: Socket) => {
      unused.add(socket);
      this.open += 1;
      // HAProxy ends idle connections with a reset.
      let reset = false;
      socket.once('error', ({ code }: NodeJS.ErrnoException) => (reset = code === 'ECONNRESET'));
      socket.once('close', () => {
        unused.delete(socket);
        if (!socket.readableEnded && !reset) this.endedHere += 1;
        this.open -= 1;
        server.emit('traffic');
      });
    });
  }

  /** Resolves when one more connection has been closed. */
  async closed(): Promise<void> {
    await once(this.#server, 'traffic');
  }
}

/** How long the proxies keep idle connections, in ms: so much longer than the balancer that no pause of theirs makes it less. */
const KEEP_ALIVE_TIMEOUT = 8000;

/**
 * @param idleTimeout how long the balancer keeps them: not as long as the proxies, as by default.
 */
export function describeBehind(start: StartBalancer, idleTimeout: number): void {
  describe('which spreads requests over two proxies', () => {
    let balancer: Balancer;
    let traffic: Traffic[];

    beforeAll(async () => {
      const { proxies, ports } = await startProxies({ trustProxy: true });
      balancer = await start(ports);
      traffic = proxies.map((proxy) => new Traffic(proxy));
    });

    it.each(TRANSPORTS)('a session keeps its host: %s', async (name, options) => {
      const before = traffic.map(({ requests }) => requests);
      const session = await connect(balancer.url, options);
      expect(session.transport).toBe(options.transports?.at(-1));
      await clients.exchange(session.key);
      await expectOwnHosts([session]);
      await clients.close(session.key);
      if (name !== 'websocket') expect(traffic.filter(({ requests }, i) => requests === before[i])).toEqual([]);
    });

    it('many sessions at once keep their hosts', async () => {
      const sessions = (await Promise.all(TRANSPORTS.map(([, options]) => connectMany(balancer.url, 15, options)))).flat();
      expect(new Set(sessions.map(({ host }) => host))).toEqual(new Set(hosts.map(({ name }) => name)));
      for (let i = 0; i < 3; i += 1) await expectOwnHosts(sessions);
      await closeAll(sessions);
      tested('In front', balancer.name, balancer.version);
    });

    it('a body of 100 KB comes to the session\'s host whole', async () => {
      const { sid } = JSON.parse((await ask(balancer.url + POLLING)).body.slice(1)) as { sid: string };
      const url = `${balancer.url}${POLLING}&sid=${sid}`;
      expect((await ask(url, { method: 'POST', body: '40' })).body).toBe('ok');
      const data = 'é'.repeat(50_000);
      expect((await ask(url, { method: 'POST', body: `421["echo","${data}"]` })).body).toBe('ok');
      const packets: string[] = [];
      while (!packets.some((packet) => packet.startsWith('431'))) {
        const came = (await ask(url)).body.split('\x1e');
        packets.push(...came);
        if (came.includes('2')) await ask(url, { method: 'POST', body: '3' });
      }
      // Pings may stand beside it.
      expect(packets).toContain(`431["${data}"]`);
    });

    it('connections to the proxies are used again', async () => {
      for (let i = 0; i < 20; i += 1) expect((await ask(`${balancer.url}${POLLING}&again=${i}`)).status).toBe(200);
      // Sessions of before may still be closing, beside which, or a health check, one may find no connection free.
      const opened = traffic.map(({ firsts }) => firsts.filter((url) => url.includes('&again=')).length);
      expect(Math.max(...opened)).toBeLessThan(5);
    });
  });

  it('no session is lost when one proxy after the other is taken out and restarted', async () => {
    const options = { redisClient, keyPrefix: uniqueKeyPrefix(), hosts: hosts.map(({ name }) => name), ...CHECKS };
    const listen = async (port?: number): Promise<ProxyInstance> => {
      const proxy = new Proxy(options);
      onCleanup(() => proxy.close());
      for (let tries = 1; ; tries += 1) {
        try {
          const listening = once(proxy, 'listening');
          proxy.listen(port ?? lastingPort(), '127.0.0.1');
          await listening;
          return proxy;
        } catch (error) {
          if (port !== undefined || tries === 5) throw error;
        }
      }
    };
    const proxies = [await listen(), await listen()];
    const ports = proxies.map(({ server }) => (server.address() as { port: number }).port);
    const balancer = await start(ports);
    const lost: unknown[] = [];
    const sessions = await connectMany(balancer.url, 10, { transports: ['polling'] });
    const onDisconnect = (detail: unknown): number => lost.push(detail);
    clients.on('disconnect', onDisconnect);
    for (const [i, proxy] of proxies.entries()) {
      await balancer.drain(i);
      await expectOwnHosts(sessions);
      await proxy.close();
      await expectOwnHosts(sessions);
      const traffic = new Traffic(await listen(ports[i]));
      await balancer.restore();
      await expectOwnHosts(sessions);
      expect(traffic.requests).toBeGreaterThan(0);
    }
    clients.off('disconnect', onDisconnect);
    expect(lost).toEqual([]);
    await closeAll(sessions);
    // Each of four reloads of nginx waits for the polls that its former worker holds: seconds, and many on a busy machine.
  }, 90_000);

  it('it is the balancer that closes an idle connection, and no request meets one that is closed', async () => {
    const { proxies, ports } = await startProxies({ keepAliveTimeout: KEEP_ALIVE_TIMEOUT });
    const { url } = await start(ports, { idleTimeout });
    const traffic = proxies.map((proxy) => new Traffic(proxy));
    for (let round = 0; round < 2; round += 1) {
      const replies = await Promise.all(Array.from({ length: 20 }, () => ask(url + POLLING)));
      expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
      // The next round begins when they are just being closed.
      await Promise.any(traffic.map((one) => one.closed()));
    }
    for (const one of traffic) {
      while (one.open > 0) await one.closed();
    }
    expect(traffic.map(({ endedHere }) => endedHere)).toEqual([0, 0]);
  });

  describe.each([[true], [false], [['127.0.0.1']]])('with trustProxy: %p', (trustProxy) => {
    /** From another address than the balancer's own, and with claims. */
    const REQUEST = {
      localAddress: '127.0.0.2',
      servername: 'localhost',
      headers: {
        'Host': 'chat.example',
        'X-Forwarded-For': '203.0.113.7', 'X-Forwarded-Proto': 'gopher', 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Port': '1',
        'X-Forwarded-Prefix': '/admin', 'X-Real-IP': '203.0.113.7', 'Forwarded': 'for=203.0.113.7',
      },
    };

    it.each(['request', 'upgrade'])('a host sees of each %s where it came from', async (kind) => {
      const host = await startServer(({ rawHeaders }, res) => res.end(JSON.stringify(rawHeaders)));
      host.server.on('upgrade', ({ rawHeaders }: IncomingMessage, socket: Duplex) => {
        socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${JSON.stringify(rawHeaders)}`);
      });
      const { ports } = await startProxies({ hosts: [host.name], trustProxy });
      const balancer = await start(ports);
      const upgrade = {
        'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      };
      const headers = { ...REQUEST.headers, ...(kind === 'upgrade' ? upgrade : {}) };
      const rawHeaders = (await ask(balancer.url + POLLING, { ...REQUEST, headers })).json() as string[];
      const found = rawHeaders.flatMap((name, i) =>
        (i % 2 === 0 && /forwarded|real-ip/i.test(name) ? [[name.toLowerCase(), rawHeaders[i + 1]]] : []));
      const own = {
        'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http', 'x-forwarded-host': 'chat.example', 'x-forwarded-port': '80',
      };
      expect(Object.fromEntries(found)).toEqual(!trustProxy ? own : {
        ...own,
        ...(balancer.name === 'nginx' ? { 'x-real-ip': '127.0.0.2' } : {}),
        'x-forwarded-for': '127.0.0.2, 127.0.0.1',
        'x-forwarded-proto': new URL(balancer.url).protocol.slice(0, -1),
        'x-forwarded-port': String(balancer.port),
      });
    });
  });
}
