import WebSocket from 'ws';
import { RedisStore, type SessionStore } from '../../src';
import { handshake, pollUrl, request, startServer } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { openClient, uniqueKeyPrefix, type TestClient } from '../support/redis';
import { openWebSocket } from '../support/session-host';
import { until } from '../support/until';

const SID = 'user-1';

/** A store over Redis that can fail, and tells when it is back, as a connection does. */
class FailingStore implements SessionStore {
  fails = false;
  /** What it was asked, and has answered. */
  readonly answered: string[] = [];
  /** Is awaited before the sid is bound: another proxy may be faster. */
  beforeBind: () => Promise<unknown> = () => Promise.resolve();
  /** Is awaited before a sid is released. */
  beforeRelease: () => Promise<unknown> = () => Promise.resolve();
  readonly #inner: RedisStore;
  #failed: (error: Error) => void = () => {};
  #ready: () => void = () => {};

  constructor(inner: RedisStore) {
    this.#inner = inner;
  }

  bind(...args: Parameters<RedisStore['bind']>): Promise<void> {
    return this.#bound(args[0], () => this.#inner.bind(...args));
  }

  async find(...args: Parameters<RedisStore['find']>): Promise<string | undefined> {
    if (this.fails) throw new Error('the store fails');
    return this.#answer('find', this.#inner.find(...args));
  }

  claim(...args: Parameters<RedisStore['claim']>): Promise<string> {
    return this.#bound(args[0], () => this.#inner.claim(...args));
  }

  unbind(sid: string): Promise<void> {
    return this.#answer('unbind', this.#inner.unbind(sid));
  }

  async release(...args: Parameters<RedisStore['release']>): Promise<void> {
    await this.beforeRelease();
    return this.#answer('release', this.#inner.release(...args));
  }

  watch(failed: (error: Error) => void, ready: () => void): void {
    [this.#failed, this.#ready] = [failed, ready];
  }

  fail(): void {
    this.fails = true;
    this.#failed(new Error('the connection is lost'));
  }

  recover(): void {
    this.fails = false;
    this.#ready();
  }

  async #bound<T>(sid: string, bind: () => Promise<T>): Promise<T> {
    if (this.fails) throw new Error('the store fails');
    // With others a proxy asks whether the store works again.
    if (sid === SID) await this.beforeBind();
    return this.#answer(`bind ${sid}`, bind());
  }

  async #answer<T>(call: string, answer: Promise<T>): Promise<T> {
    const result = await answer;
    this.answered.push(call);
    return result;
  }
}

/** A host all of whose sessions have one sid, as where users have theirs. */
interface Namesake {
  name: string;
  /** How many requests of sessions have come. */
  requests: number;
  /** The last session has not ended. */
  isAlive: boolean;
}

async function namesake(): Promise<Namesake> {
  const packet = `0${JSON.stringify({ sid: SID, pingInterval: 25_000, pingTimeout: 20_000 })}`;
  const host = { name: '', requests: 0, isAlive: false };
  const { name, server } = await startServer((req, res) => {
    const url = req.url ?? '';
    if (!url.includes('transport=')) {
      res.writeHead(400).end();
    } else if (!url.includes('sid=')) {
      host.isAlive = true;
      res.end(packet);
    } else if (req.method === 'PUT') {
      // A proxy asks whether the session is alive.
      if (host.isAlive) res.writeHead(500).end();
      else res.writeHead(400).end('{"code":1,"message":"Session ID unknown"}');
    } else {
      host.requests += 1;
      res.end('ok');
    }
  });
  new WebSocket.Server({ server }).on('connection', (socket) => socket.send(packet));
  return Object.assign(host, { name });
}

interface Member extends Started {
  store: FailingStore;
  post: () => Promise<string>;
}

let redis: TestClient;
let keyPrefix: string;
let hosts: [Namesake, Namesake];
let members: [Member, Member];

/** A proxy that knows both hosts, and gives new sessions to one of them. */
async function startMember(chosen: Namesake): Promise<Member> {
  const store = new FailingStore(new RedisStore(redis, keyPrefix));
  const started = await startProxy({
    hosts: hosts.map((host) => ({ host: host.name, weight: host === chosen ? 1 : 0 })), store, storeTimeout: 10_000,
  });
  await until('all are up', () => started.proxy.hosts.every(({ state }) => state === 'up'));
  const post = async (): Promise<string> => (await request(pollUrl(started.url, SID), { method: 'POST', body: '2' })).body;
  return { ...started, store, post };
}

const stored = (): Promise<string | null> => redis.get(keyPrefix + SID);

beforeEach(async () => {
  keyPrefix = uniqueKeyPrefix();
  redis = await openClient();
  hosts = [await namesake(), await namesake()];
  members = [await startMember(hosts[0]), await startMember(hosts[1])];
});

describe('a binding that a proxy stores again', () => {
  it('gives way to another that the store has by then, and its requests go there', async () => {
    const [one, other] = members;
    await handshake(one.url);
    hosts[0].isAlive = false;
    one.store.fail();
    await handshake(other.url);
    one.store.recover();
    await until('requests go where the store says', async () => await one.post() === 'ok' && hosts[1].requests > 0);
    const { requests } = hosts[0];
    await one.post();
    expect(hosts[0].requests).toBe(requests);
    expect(await stored()).toBe(hosts[1].name);
    expect(one.proxy.hosts.map(({ sessions }) => sessions)).toEqual([0, 1]);
  });

  it('does not overwrite what another proxy binds in the very moment', async () => {
    const [one, other] = members;
    await handshake(one.url);
    one.store.fail();
    await redis.del(keyPrefix + SID);
    hosts[0].isAlive = false;
    one.store.beforeBind = async () => {
      one.store.beforeBind = () => Promise.resolve();
      await handshake(other.url);
    };
    const { answered } = one.store;
    answered.length = 0;
    one.store.recover();
    await until('it has been stored', () => answered.includes(`bind ${SID}`));
    expect(await stored()).toBe(hosts[1].name);
    await until('requests go where the store says', async () => await one.post() === 'ok' && hosts[1].requests > 0);
    expect(await stored()).toBe(hosts[1].name);
  });

  it('is stored where the store has lost it, also where that has no `claim`', async () => {
    const { url, store } = members[0];
    for (const methods of [{}, { claim: undefined }]) {
      Object.assign(store, methods);
      await handshake(url);
      store.fail();
      await redis.del(keyPrefix + SID);
      store.recover();
      await until('it is stored', async () => await stored() === hosts[0].name);
    }
  });

  it('takes the place of an older one where it was made while the store failed', async () => {
    const [one, other] = members;
    await handshake(other.url);
    hosts[1].isAlive = false;
    one.store.fail();
    await handshake(one.url);
    expect(await stored()).toBe(hosts[1].name);
    one.store.recover();
    await until('it is stored', async () => await stored() === hosts[0].name);
    await one.post();
    expect(hosts.map(({ requests }) => requests)).toEqual([1, 0]);
  });
});

describe('a binding whose WebSocket has ended', () => {
  it('is removed from the store', async () => {
    const [one] = members;
    const socket = await openWebSocket(one.url);
    await until('it is bound', async () => await stored() === hosts[0].name);
    socket.terminate();
    await until('it is removed', async () => await stored() === null);
  });

  it('is not found any more from then on, however long the store takes', async () => {
    const [one] = members;
    const socket = await openWebSocket(one.url);
    await until('it is bound', async () => await stored() === hosts[0].name);
    let look = (): void => {};
    one.store.beforeRelease = () => new Promise<void>((resolve) => look = resolve);
    socket.terminate();
    await until('it has ended', () => one.proxy.hosts[0]?.tunnels === 0);
    const posted = one.post();
    // What the proxy would ask now is answered before this is.
    await one.store.find('nobody', 60);
    look();
    expect(await posted).toBe('{"code":1,"message":"Session ID unknown"}');
    expect(hosts[0].requests).toBe(0);
    await until('it is removed', async () => await stored() === null);
  });

  it('stays there where another proxy has bound the sid to another host since', async () => {
    const [one, other] = members;
    const socket = await openWebSocket(one.url);
    await until('it is bound', async () => await stored() === hosts[0].name);
    await handshake(other.url);
    const { answered } = one.store;
    answered.length = 0;
    socket.terminate();
    await until('the store has been asked', () => answered.length > 0 && one.proxy.hosts[0]?.tunnels === 0);
    // Removed it would be in order: with the client that is asked now.
    expect(await stored()).toBe(hosts[1].name);
    expect(answered).toEqual(['release']);
  });
});
