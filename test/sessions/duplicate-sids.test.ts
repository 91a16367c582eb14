import { once } from 'node:events';
import WebSocket from 'ws';
import type Proxy from '../../src';
import { MemoryStore, type SessionStore } from '../../src';
import { startOperated } from '../support/admin';
import { onCleanup } from '../support/cleanup';
import { stopClock } from '../support/clock';
import { pollUrl, request, startServer, type Reply } from '../support/http';
import type { Started } from '../support/proxy';
import { openClient, uniqueKeyPrefix } from '../support/redis';
import { Remote } from '../support/remote';
import { before, countsOf } from '../support/session-host';
import { until } from '../support/until';

const SID = 'user-1';
const HOUR = 3_600_000;

/** An Engine.IO server in a process of its own, which gives the sid that a handshake asks for. */
class EngineHost {
  readonly #remote = new Remote('engine-host.mjs');
  name = '';

  async start(): Promise<this> {
    this.name = `127.0.0.1:${await this.#remote.call<number>('start', { path: '/socket.io/', allowEIO3: true })}`;
    return this;
  }

  sids(): Promise<string[]> {
    return this.#remote.call('sids');
  }

  kill(): Promise<unknown> {
    return this.#remote.kill();
  }
}

/** New sessions go to the host that the handshake names. */
const balance: Proxy.BalanceFunction = (_hosts, { url }) =>
  new URL(url ?? '', 'http://proxy').searchParams.get('to') ?? '';

/** A handshake whose session gets the sid, on the host. */
const open = (url: string, host: { name: string }, query = 'EIO=4'): Promise<Reply> =>
  request(`${url}/socket.io/?${query}&transport=polling&as=${SID}&to=${host.name}`);

const post = async (url: string, body: string): Promise<number> =>
  (await request(pollUrl(url, SID), { method: 'POST', body })).status;

async function openWebSocket(url: string, host: { name: string }): Promise<WebSocket> {
  const query = `EIO=4&transport=websocket&as=${SID}&to=${host.name}`;
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?${query}`);
  onCleanup(() => socket.terminate());
  socket.on('error', () => {});
  await once(socket, 'message');
  return socket;
}

let a: EngineHost;
let b: EngineHost;
beforeEach(async () => {
  [a, b] = await Promise.all([new EngineHost().start(), new EngineHost().start()]);
});

describe('a sid of a session that is alive on another host', () => {
  it.each(['polling', 'websocket'])('is not bound: the handshake is refused, and ended at its host; the older by %s', async (transport) => {
    const { proxy, url, ask } = await startOperated({ hosts: [a.name, b.name], balance });
    await until('both are up', () => proxy.hosts.every(({ state }) => state === 'up'));
    const duplicates: string[][] = [];
    proxy.on('duplicate', (...names) => duplicates.push(names));
    if (transport === 'polling') await open(url, a);
    else await openWebSocket(url, a);

    for (const query of ['EIO=4', 'EIO=3', 'EIO=4&j=0']) {
      const { status, json } = await open(url, b, query);
      expect([status, json()]).toEqual([503, { code: 'DUPLICATE_SID', message: 'Another session has this sid' }]);
      await until('the newer is over', async () => (await b.sids()).length === 0);
    }
    expect(duplicates).toEqual(Array(3).fill([SID, b.name, a.name]));
    expect((await ask('GET /metrics')).body).toMatch(/^socketio_proxy_duplicate_sids_total 3$/m);
    expect(await a.sids()).toEqual([SID]);
    expect(countsOf(proxy).map(([sessions]) => sessions)).toEqual([1, 0]);
    if (transport === 'polling') expect(await post(url, '4hello')).toBe(200);
  });

  it('is no reason to end a session that was opened by WebSocket: it goes on, and leaves the older alone', async () => {
    const { proxy, url } = await before([a, b], { balance });
    await open(url, a);
    const told = once(proxy, 'duplicate');
    const socket = await openWebSocket(url, b);
    expect(await told).toEqual([SID, b.name, a.name]);
    await until('it counts', () => countsOf(proxy)[1]?.[0] === 1);
    const echo = once(socket, 'message');
    socket.send('4hello');
    expect(String((await echo)[0])).toBe('4hello');
    socket.close();
    await until('it is over', () => countsOf(proxy)[1]?.join() === '0,0,0');
    expect(await post(url, '4hello')).toBe(200);
    expect(countsOf(proxy)[0]).toEqual([1, 0, 0]);
  });
});

describe('a sid of a session that is over', () => {
  it.each<[string, (url: string) => Promise<unknown>]>([
    ['has ended', (url) => post(url, '1')],
    ['has gone with its host', () => a.kill()],
  ])('is bound to the next host at once where it %s', async (_, end) => {
    const { url } = await before([a, b], { balance, checkInterval: HOUR });
    await open(url, a);
    await end(url);
    expect((await open(url, b)).status).toBe(200);
    expect(await post(url, '4hello')).toBe(200);
    expect(await b.sids()).toEqual([SID]);
  });
});

describe('proxies that share a store', () => {
  const memory = (): SessionStore => new MemoryStore();
  /** As a store of somebody's own, with no more than it must have. */
  const least = (): SessionStore => {
    const store = new MemoryStore();
    return { bind: store.bind.bind(store), find: store.find.bind(store), unbind: store.unbind.bind(store) };
  };

  async function startTwo(create?: () => SessionStore): Promise<[Started, Started]> {
    const options = create ? { store: create() } : { redisClient: await openClient(), keyPrefix: uniqueKeyPrefix() };
    const start = (): Promise<Started> => before([a, b], { balance, ...options });
    return [await start(), await start()];
  }

  it.each<[string, (() => SessionStore) | undefined]>([
    ['Redis', undefined], ['memory', memory], ['one without `claim`', least],
  ])('refuse a sid that is alive by way of the other, and follow one that comes back elsewhere; with %s', async (_, create) => {
    const [one, other] = await startTwo(create);
    await open(one.url, a);
    expect((await open(other.url, b)).status).toBe(503);
    expect(await post(one.url, '4hello')).toBe(200);
    expect(await post(other.url, '1')).toBe(200);

    expect((await open(other.url, b)).status).toBe(200);
    // The first proxy remembers the older session, until its host says that it does not know it.
    expect([await post(one.url, '4hello'), await post(one.url, '4hello')]).toEqual([400, 200]);
  });
});

describe('a host whose answer does not tell whether a session is alive', () => {
  it.each(['the same', 'another'])('keeps the sid while the session is in use, by way of %s proxy', async (which) => {
    const clock = stopClock();
    const packet = `0${JSON.stringify({ sid: SID, pingInterval: 45_000, pingTimeout: 0 })}`;
    const start = (): Promise<{ name: string }> => startServer(({ method, url = '' }, res) => {
      if (method === 'PUT') res.writeHead(405).end();
      else res.end(url.includes('sid=') || !url.includes('transport=') ? 'ok' : packet);
    });
    const hosts = [await start(), await start()] as const;
    const options = { balance, checkInterval: HOUR, store: new MemoryStore() };
    const one = await before(hosts, options);
    const other = which === 'another' ? await before(hosts, options) : one;
    await open(one.url, hosts[0]);
    // A binding of 60 s is renewed after 15.
    await clock.advance(14_000);
    expect((await open(other.url, hosts[1])).status).toBe(503);
    await clock.advance(2000);
    expect((await open(other.url, hosts[1])).status).toBe(200);
  });
});
