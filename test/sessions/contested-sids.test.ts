import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type net from 'node:net';
import WebSocket, { WebSocketServer } from 'ws';
import type Proxy from '../../src';
import { MemoryStore, type SessionStore } from '../../src';
import { onCleanup } from '../support/cleanup';
import { stopClock } from '../support/clock';
import { pollUrl, request, startServer, type Reply } from '../support/http';
import type { Started } from '../support/proxy';
import { openClient, uniqueKeyPrefix } from '../support/redis';
import { before, countsOf } from '../support/session-host';
import { until } from '../support/until';

const SID = 'user-1';
const HOUR = 3_600_000;
const LIFETIME = 45_000;

/** A host whose sessions get the sid that the handshake asks for. */
interface Host {
  name: string;
  /** The sids of its sessions that are alive. */
  alive: Set<string>;
  /** What was posted. */
  posted: string[];
  /** What it answers to a question by PUT that it would not answer by itself. */
  onPut: ((socket: net.Socket) => void) | undefined;
}

const queryOf = ({ url }: IncomingMessage): URLSearchParams => new URL(url ?? '', 'http://host').searchParams;

async function startHost(): Promise<Host> {
  const host: Host = { name: '', alive: new Set(), posted: [], onPut: undefined };
  const { name, server } = await startServer((req, res) => {
    const query = queryOf(req);
    const sid = query.get('sid');
    if (req.method === 'PUT' && host.onPut) {
      if (res.socket) host.onPut(res.socket);
      return;
    }
    let body = '';
    req.setEncoding('latin1').on('data', (chunk: string) => (body += chunk)).on('end', () => {
      if (sid === null) {
        const opened = query.get('as');
        if (opened !== null) host.alive.add(opened);
        res.end(`0${JSON.stringify({ sid: opened, pingInterval: LIFETIME, pingTimeout: 0 })}`);
      } else if (!host.alive.has(sid)) {
        res.writeHead(400).end('{"code":1,"message":"Session ID unknown"}');
      } else if (req.method === 'PUT') {
        res.writeHead(500).end();
      } else {
        if (body === '1' || body === '1:1') host.alive.delete(sid);
        else host.posted.push(body);
        res.end('ok');
      }
    });
  });
  const sockets = new WebSocketServer({
    server,
    verifyClient: ({ req }: { req: IncomingMessage }, answer: (isTaken: boolean, status?: number) => void) => {
      const sid = queryOf(req).get('sid');
      answer(sid === null || host.alive.has(sid), 400);
    },
  });
  sockets.on('connection', (socket, req) => {
    onCleanup(() => socket.terminate());
    const sid = queryOf(req).get('as');
    if (sid === null) return;
    host.alive.add(sid);
    socket.on('close', () => host.alive.delete(sid));
    socket.send(`0${JSON.stringify({ sid, pingInterval: LIFETIME, pingTimeout: 0 })}`);
  });
  return Object.assign(host, { name });
}

/** One proxy's way to a store that all share. */
class Way implements SessionStore {
  readonly inner: MemoryStore;
  /** What is awaited before a call is passed on. */
  hold: ((call: string, sid: string) => Promise<unknown> | undefined) | undefined;
  fails = false;
  #tell: { failed: (error: Error) => void; ready: () => void } | undefined;

  constructor(inner: MemoryStore) {
    this.inner = inner;
  }

  async #pass<T>(name: string, sid: string, call: () => Promise<T>): Promise<T> {
    if (this.fails) throw new Error('the store fails');
    await this.hold?.(name, sid);
    return call();
  }

  bind = (sid: string, host: string, ttl: number): Promise<void> => this.#pass('bind', sid, () => this.inner.bind(sid, host, ttl));
  find = (sid: string, ttl: number): Promise<string | undefined> => this.#pass('find', sid, () => this.inner.find(sid, ttl));
  unbind = (sid: string): Promise<void> => this.#pass('unbind', sid, () => this.inner.unbind(sid));
  inspect = (sid: string): ReturnType<MemoryStore['inspect']> => this.#pass('inspect', sid, () => this.inner.inspect(sid));
  claim = (sid: string, host: string, ttl: number, over?: string): Promise<string> =>
    this.#pass('claim', sid, () => this.inner.claim(sid, host, ttl, over));

  release = (sid: string, host: string, expiresIn: number): Promise<void> =>
    this.#pass('release', sid, () => this.inner.release(sid, host, expiresIn));

  watch(failed: (error: Error) => void, ready: () => void): void {
    this.#tell = { failed, ready };
  }

  fail(): void {
    this.fails = true;
    this.#tell?.failed(new Error('the connection is lost'));
  }

  recover(): void {
    this.fails = false;
    this.#tell?.ready();
  }
}

interface Member extends Started {
  way: Way;
  duplicates: string[][];
}

let inner: MemoryStore;
let hosts: [Host, Host, Host];

const balance: Proxy.BalanceFunction = (_hosts, { url }) => new URL(url ?? '', 'http://proxy').searchParams.get('to') ?? '';

async function startMember(options: Partial<Proxy.PartialProxyOptions> = {}): Promise<Member> {
  const way = new Way(inner);
  const started = await before(hosts, { balance, store: way, checkInterval: HOUR, ...options });
  const duplicates: string[][] = [];
  started.proxy.on('duplicate', (...names) => duplicates.push(names));
  return { ...started, way, duplicates };
}

const open = (url: string, { name }: Host, sid = SID): Promise<Reply> =>
  request(`${url}/socket.io/?EIO=4&transport=polling&as=${sid}&to=${name}`);
const post = (url: string, body: string): Promise<Reply> => request(pollUrl(url, SID), { method: 'POST', body });

beforeEach(async () => {
  inner = new MemoryStore();
  hosts = [await startHost(), await startHost(), await startHost()];
});

describe('a session that could not be stored when it was opened', () => {
  it('ends when the store is back, and has its sid for a session that is alive on another host', async () => {
    const [a, b] = hosts;
    const [one, other] = [await startMember(), await startMember()];
    await open(one.url, a);
    other.way.fail();
    expect((await open(other.url, b)).status).toBe(200);
    const told = once(other.proxy, 'duplicate');
    other.way.recover();
    expect(await told).toEqual([SID, b.name, a.name]);
    await until('it has ended', () => b.alive.size === 0);
    expect(await inner.inspect(SID)).toMatchObject({ host: a.name });
    await post(one.url, 'by one');
    await post(other.url, 'by the other');
    expect([a.posted, b.posted]).toEqual([['by one', 'by the other'], []]);
    expect(countsOf(other.proxy).map(([sessions]) => sessions)).toEqual([1, 0, 0]);
  });
});

describe('two handshakes that get the sid of a session that is over at the same time', () => {
  it.each<[string, () => Promise<[Started, Started]>]>([
    ['by way of one proxy', async () => {
      const one = await startMember();
      return [one, one];
    }],
    ['by way of two', async () => [await startMember(), await startMember()]],
    ['by way of two on Redis', async () => {
      const options = { redisClient: await openClient(), keyPrefix: uniqueKeyPrefix(), store: undefined };
      return [await startMember(options), await startMember(options)];
    }],
  ])('do not both win: %s', async (_, start) => {
    const [a, b, c] = hosts;
    const [one, other] = await start();
    await open(one.url, a);
    a.alive.clear();
    const replies = await Promise.all([open(one.url, b), open(other.url, c)]);
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 503]);
    await until('one is over', () => b.alive.size + c.alive.size === 1);
    const [winner] = b.alive.size > 0 ? [b] : [c];
    await post(one.url, 'x');
    await post(other.url, 'y');
    expect(winner.posted).toEqual(['x', 'y']);
  });

  it('do not both win where the store answers neither', async () => {
    const [, b, c] = hosts;
    const { url, way } = await startMember({ storeTimeout: 100 });
    way.hold = (call) => call === 'claim' ? new Promise(() => {}) : undefined;
    const replies = await Promise.all([open(url, b), open(url, c)]);
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 503]);
  });
});

async function upgrade(url: string, query: string, event = 'message'): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket&${query}`);
  onCleanup(() => socket.terminate());
  socket.on('error', () => {});
  await once(socket, event);
  return socket;
}

describe('the removal of a session that has ended', () => {
  it.each([0, 1] as const)('leaves the one that has come back with its sid meanwhile, on host %d', async (which) => {
    const [one, other] = [await startMember(), await startMember()];
    const { [which]: second, 0: first } = hosts;
    let release = (): void => {};
    one.way.hold = (call) => call === 'release' ? new Promise<void>((resolve) => release = resolve) : undefined;
    const socket = await upgrade(one.url, `as=${SID}&to=${first.name}`);
    await until('it is bound', async () => (await inner.inspect(SID))?.host === first.name);
    socket.terminate();
    await until('it has ended', () => countsOf(one.proxy)[0]?.[1] === 0 && first.alive.size === 0);
    expect((await open(other.url, second)).status).toBe(200);
    release();
    await one.proxy.close();
    expect(await inner.inspect(SID)).toMatchObject({ host: second.name });
  });
});

describe('a store that has lost everything', () => {
  it('is not left with a session that is over, though that is stored again first', async () => {
    const [a, b] = hosts;
    const [one, other] = [await startMember(), await startMember()];
    await open(one.url, a);
    a.alive.clear();
    await open(other.url, b);
    for (const { way } of [one, other]) way.fail();
    await inner.unbind(SID);
    one.way.recover();
    await until('the one that is over is stored', async () => (await inner.inspect(SID))?.host === a.name);
    other.way.recover();
    await until('the one that lives is stored', async () => (await inner.inspect(SID))?.host === b.name);
    await post(other.url, 'hello');
    expect(b.posted).toEqual(['hello']);
  });

  it('does not get a session from which the sid has been kept', async () => {
    const [a, b] = hosts;
    const [one, other] = [await startMember(), await startMember()];
    await open(one.url, a);
    await open(other.url, b, 'other');
    const told = once(other.proxy, 'duplicate');
    await upgrade(other.url, `as=${SID}&to=${b.name}`);
    await told;
    other.way.fail();
    for (const sid of [SID, 'other']) await inner.unbind(sid);
    other.way.recover();
    await until('the others are stored', async () => (await inner.inspect('other'))?.host === b.name);
    expect(await inner.inspect(SID)).toBeUndefined();
    one.way.fail();
    one.way.recover();
    await until('it is stored', async () => (await inner.inspect(SID))?.host === a.name);
  });
});

it('takes a host that switches protocols for one whose answer does not tell whether a session is alive', async () => {
  const [a, b] = hosts;
  const { url } = await startMember();
  a.onPut = (socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n');
  await open(url, a);
  expect((await open(url, b)).status).toBe(503);
});

it('asks the store for a sid again once the host has refused an upgrade', async () => {
  const [a, b] = hosts;
  const [one, other] = [await startMember(), await startMember()];
  await open(one.url, a);
  a.alive.clear();
  await open(other.url, b);
  await upgrade(one.url, `sid=${SID}`, 'unexpected-response');
  await upgrade(one.url, `sid=${SID}`, 'open');
});

it('counts a session as alive that is used by way of another proxy, where its host does not tell', async () => {
  const clock = stopClock();
  const [a, b] = hosts;
  a.onPut = (socket) => socket.end('HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n');
  // As is advised: as long as a session lives. Its own proxy keeps it for a third longer.
  const options = { keyExpiry: LIFETIME / 1000 };
  const [one, other] = [await startMember(options), await startMember(options)];
  await open(one.url, a);
  for (let i = 0; i < 8; i += 1) {
    await clock.advance(5000);
    expect((await post(other.url, 'hello')).status).toBe(200);
  }
  expect((await open(one.url, b)).status).toBe(503);
  await clock.advance(20_000);
  expect((await open(one.url, b)).status).toBe(200);
});
