import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import { MemoryStore, type ProxyOptions } from '../../src';
import { countOf } from '../../src/base/histogram';
import { createHostTotals, createTotals, sumOf, type HostTotals, type Totals } from '../../src/base/totals';
import { stopClock } from '../support/clock';
import { handshake, pollUrl, request, startServer } from '../support/http';
import { startProxy, type ProxyInstance, type Started } from '../support/proxy';
import { before, openWebSocket, startSessionHost } from '../support/session-host';
import { until } from '../support/until';
import { connect } from '../support/upgrades';

const POLL = '/socket.io/?EIO=4&transport=polling';

const totalsOf = (proxy: ProxyInstance): Promise<Totals> => proxy.parts.operations.totals();

/** A host that answers with the status that a request asks for, holds polls, and sees how many bytes go over its sockets. */
class CountingHost {
  name = '';
  /** Those that carry more than health checks. */
  readonly sockets = new Set<Socket>();
  readonly #held: ServerResponse[] = [];
  #sessions = 0;

  async start(): Promise<this> {
    const { server, name } = await startServer((req, res) => this.#onRequest(req, res));
    this.name = name;
    const sockets = new WebSocketServer({ server });
    sockets.on('connection', (socket, req) => {
      this.sockets.add(req.socket);
      if (!req.url?.includes('sid=')) socket.send(this.#open());
      socket.on('message', (data) => socket.send(data as Buffer));
    });
    return this;
  }

  get received(): number {
    return [...this.sockets].reduce((sum, { bytesRead }) => sum + bytesRead, 0);
  }

  get sent(): number {
    return [...this.sockets].reduce((sum, { bytesWritten }) => sum + bytesWritten, 0);
  }

  get held(): number {
    return this.#held.length;
  }

  answer(): void {
    for (const res of this.#held.splice(0)) res.end('2');
  }

  #onRequest(req: IncomingMessage, res: ServerResponse): void {
    const url = req.url ?? '';
    if (!url.includes('?')) {
      res.writeHead(400).end();
      return;
    }
    this.sockets.add(req.socket);
    const status = /status=(\d+)/.exec(url)?.[1];
    // A body that is not read would be left out of what the socket has read.
    req.resume().on('end', () => {
      if (status !== undefined) res.writeHead(Number(status)).end();
      else if (!url.includes('sid=')) res.end(this.#open());
      else if (req.method === 'GET') this.#held.push(res);
      else res.end('ok');
    });
  }

  #open(): string {
    this.#sessions += 1;
    return `0{"sid":"sid-${this.#sessions}","pingInterval":25000,"pingTimeout":20000}`;
  }
}

async function start(options: Partial<ProxyOptions> = {}): Promise<Started & { host: CountingHost; host0: () => Promise<HostTotals> }> {
  const host = await new CountingHost().start();
  const started = await startProxy({ hosts: [host.name], ...options });
  const host0 = async (): Promise<HostTotals> => {
    const { hosts: { [host.name]: totals } } = await totalsOf(started.proxy);
    if (!totals) throw new Error('no totals of the host');
    return totals;
  };
  return { ...started, host, host0 };
}

describe('totals of a host', () => {
  it('count its responses by the first digit of their status', async () => {
    const { url, host0 } = await start();
    for (const status of [200, 204, 302, 404, 404, 500]) await request(`${url}${POLL}&status=${status}`);
    await openWebSocket(url);
    expect((await host0()).responses).toEqual({ '1xx': 1, '2xx': 2, '3xx': 1, '4xx': 2, '5xx': 1 });
  });

  it('count sessions by how they were opened, upgrades, and what was moved', async () => {
    const { proxy, url, host0 } = await start();
    const sid = await handshake(url);
    await openWebSocket(url, sid);
    const socket = await openWebSocket(url);
    await until('both are known', () => proxy.hosts[0]?.sessions === 2);
    expect(await host0()).toMatchObject({ handshakes: { polling: 1, websocket: 1 }, upgrades: 1, moved: 0 });
    const closed = once(socket, 'close');
    expect(await proxy.endSession('sid-2')).toBe('ended');
    await closed;
    expect(await host0()).toMatchObject({ handshakes: { polling: 1, websocket: 1 }, upgrades: 1, moved: 1 });
  });

  it('have the bytes that its sockets saw: of what is held, open and over', async () => {
    const { proxy, url, host, host0 } = await start();
    const isEqual = async (): Promise<boolean> => {
      const { sentBytes, receivedBytes } = await host0();
      return sentBytes === host.received && receivedBytes === host.sent;
    };
    const sid = await handshake(url);
    const [poll] = [request(pollUrl(url, sid)), await until('the poll is held', () => host.held === 1)];
    await request(pollUrl(url, sid), { method: 'POST', body: 'x'.repeat(100_000) });
    const sockets = [await openWebSocket(url, sid), await openWebSocket(url)];
    for (const socket of sockets) {
      const echoed = once(socket, 'message');
      socket.send(Buffer.alloc(50_000));
      await echoed;
    }
    await until('what is open is counted', isEqual);
    expect(host.received).toBeGreaterThan(200_000);
    host.answer();
    await poll;
    for (const socket of sockets) socket.close();
    await until('the WebSockets are over', () => proxy.hosts[0]?.tunnels === 0);
    await until('what is over is counted', isEqual);
    await until('nothing is counted twice', isEqual);
  });

  it("have the time until its answer, but for polls, which it holds, and large bodies, which take their client's time", async () => {
    const { url, host, host0 } = await start();
    const sid = await handshake(url);
    await request(pollUrl(url, sid), { method: 'POST', body: '2' });
    await request(pollUrl(url, sid), { method: 'POST', body: 'x'.repeat(100_000) });
    const [poll] = [request(pollUrl(url, sid)), await until('the poll is held', () => host.held === 1)];
    host.answer();
    await poll;
    await request(pollUrl(url, sid), { method: 'POST', body: '2' });
    const { latency } = await host0();
    expect(countOf(latency)).toBe(3);
    expect(latency.sum).toBeGreaterThan(0);
  });

  it('have that time in seconds', async () => {
    const clock = stopClock();
    const host = await startSessionHost();
    host.holdsHandshakes = true;
    const { proxy, url } = await before([host], { checkInterval: 3_600_000 });
    const [opening] = [handshake(url), await once(host, 'handshake')];
    await clock.advance(2000);
    host.answer();
    await opening;
    expect((await totalsOf(proxy)).hosts[host.name]?.latency.sum).toBeCloseTo(2);
  });
});

describe('totals', () => {
  it('count what was found in the cache, and what was not', async () => {
    const { proxy, url } = await start();
    const sid = await handshake(url);
    await request(pollUrl(url, sid), { method: 'POST', body: '2' });
    await request(pollUrl(url, 'unknown'));
    await proxy.findSession(sid);
    await proxy.findSession('unknown');
    expect((await totalsOf(proxy)).cache).toEqual({ hits: 1, misses: 1 });
  });

  it('count a sid as found when its client has left before the answer, and no more when its host has answered with 400', async () => {
    const { proxy, url, port, host } = await start();
    const sid = await handshake(url);
    const post = async (query = ''): Promise<Totals['cache']> => {
      await request(pollUrl(url, sid) + query, { method: 'POST', body: '2' });
      await until('it is over', () => proxy.hosts[0]?.requests === 0);
      return (await totalsOf(proxy)).cache;
    };
    const client = await connect(port, `GET ${pollUrl('', sid)} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await until('the poll is held', () => host.held === 1);
    client.destroy();
    await until('it is over', () => proxy.hosts[0]?.requests === 0);
    expect(await post()).toEqual({ hits: 2, misses: 0 });
    expect(await post('&status=400')).toEqual({ hits: 3, misses: 0 });
    expect(await post()).toEqual({ hits: 3, misses: 1 });
  });

  it('count calls of the store, with the time that they took, and those that failed', async () => {
    class Failing extends MemoryStore {
      fails = false;

      override bind(...args: Parameters<MemoryStore['bind']>): Promise<void> {
        return this.fails ? Promise.reject(new Error('no store')) : super.bind(...args);
      }
    }
    const store = new Failing();
    const { proxy, url } = await start({ store });
    await handshake(url);
    const socket = await openWebSocket(url);
    await request(pollUrl(url, 'unknown'));
    socket.terminate();
    await until('it was unbound', async () => countOf((await totalsOf(proxy)).store.unbind) === 1);
    const { store: counted } = await totalsOf(proxy);
    expect([counted.bind, counted.find, counted.unbind].map(countOf)).toEqual([2, 1, 1]);
    expect(counted.failures).toBe(0);
    store.fails = true;
    await handshake(url);
    expect((await totalsOf(proxy)).store.failures).toBe(1);
  });

  it('are a copy', async () => {
    const { proxy, url } = await start();
    const [first, same] = [await totalsOf(proxy), JSON.stringify(await totalsOf(proxy))];
    await handshake(url);
    expect(JSON.stringify(first)).toBe(same);
    expect(JSON.stringify(await totalsOf(proxy))).not.toBe(same);
  });

  it('of several processes are summed, and share nothing with the sum', () => {
    const [one, other] = [createTotals(), createTotals()];
    one.cache.hits = 3;
    other.cache.hits = 4;
    one.refusals = { '1 expired': 2 };
    other.refusals = { '1 expired': 1, '3 path': 5 };
    one.store.find.buckets[2] = 7;
    other.store.find.buckets[2] = 1;
    other.store.find.sum = 0.5;
    one.hosts = { a: { ...createHostTotals(), sentBytes: 10 } };
    const responses = { ...createHostTotals().responses, '2xx': 6 };
    other.hosts = { a: { ...createHostTotals(), sentBytes: 1, responses }, b: createHostTotals() };
    const texts = [one, other].map((totals) => JSON.stringify(totals));
    const sum = sumOf([one, other]);
    expect(sum).toMatchObject({ cache: { hits: 7, misses: 0 }, refusals: { '1 expired': 3, '3 path': 5 }, store: { find: { sum: 0.5 } } });
    expect(sum.store.find.buckets[2]).toBe(8);
    expect(sum.hosts).toMatchObject({ a: { sentBytes: 11, responses: { '2xx': 6 } }, b: { sentBytes: 0 } });
    const wipe = (value: object): void => {
      for (const [key, part] of Object.entries(value)) {
        if (typeof part === 'object') wipe(part as object);
        else Reflect.set(value, key, -1);
      }
    };
    wipe(sum);
    expect([one, other].map((totals) => JSON.stringify(totals))).toEqual(texts);
    expect(sumOf([])).toEqual(createTotals());
  });
});
