import { once } from 'node:events';
import net from 'node:net';
import { MemoryStore, type PartialProxyOptions, type SessionStore } from '../../src';
import { onCleanup } from '../support/cleanup';
import { settle, stopClock, type Clock } from '../support/clock';
import { FullQueue } from '../support/full-queue';
import { handshake, pollUrl, request } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { startProxyProcess } from '../support/proxy-process';
import { openClient, sharedRedisUrl, uniqueKeyPrefix } from '../support/redis';
import { before, openWebSocket, startSessionHost, type SessionHost } from '../support/session-host';
import { until } from '../support/until';
import { connect, upgradeOf } from '../support/upgrades';

const UNKNOWN = [400, '{"code":1,"message":"Session ID unknown"}'];
const UNREACHED = [502, '{"code":"HOST_FAILED","message":"The host failed before it answered"}'];

/** Where connections of this process go, while those of others go to 127.0.0.1: to a queue that is full. */
const FULL = '127.0.0.2';

const keyPrefix = uniqueKeyPrefix();

/** Where connections of this process to the host go, or the code of the error that they fail with. */
let address = '127.0.0.1';
let host: SessionHost;
/** Of a proxy that has the same Redis, in a process that can reach the host. */
let otherUrl: string;

beforeAll(async () => {
  host = await startSessionHost();
  await (await FullQueue.start(FULL, host.port)).fill();
  const hosts = [`localhost:${host.port}`];
  // It waits in real time for this process, which may be slow to answer.
  const patient = { checkInterval: 3_600_000, checkTimeout: 60_000 };
  otherUrl = (await startProxyProcess({ hosts, redisUrl: sharedRedisUrl(), keyPrefix, ...patient })).url;
});
beforeEach(() => {
  address = '127.0.0.1';
  const connect = Reflect.get(net.Socket.prototype, 'connect') as (...args: unknown[]) => net.Socket;
  // As if a route or a firewall were between this process and the host.
  jest.spyOn(net.Socket.prototype, 'connect').mockImplementation(function (this: net.Socket, ...args: unknown[]) {
    const options = Object((Array.isArray(args[0]) ? args[0] : args)[0]) as net.TcpNetConnectOpts;
    if (options.host === 'localhost' && !address.startsWith('E')) options.host = address;
    else if (options.host === 'localhost') options.lookup = (_, __, callback) => setImmediate(callback, failure(address), []);
    return connect.apply(this, args);
  });
});
afterEach(() => jest.restoreAllMocks());

const failure = (code: string): Error => Object.assign(new Error(code), { code });

async function post(url: string, sid: string): Promise<[number, string]> {
  const { status, body } = await request(pollUrl(url, sid), { method: 'POST', body: '2' });
  return [status, body];
}

/** A proxy in this process, whose time the test moves. */
interface Cut extends Started {
  clock: Clock;
  name: string;
  /** Lets connections of this process go elsewhere, and has it use none from before. */
  cut: (to: string) => Promise<void>;
  /** Lets time pass until the host is up here. */
  recover: () => Promise<void>;
  /** The host in Redis that a sid is bound to. */
  boundTo: (sid: string) => Promise<string | null>;
  /**
   * Requests through this proxy, and lets time pass until it is answered, once it is on its way. Connections can be made
   * again after `cutFor` ms of that time.
   */
  postLate: (sid: string, cutFor?: number) => Promise<[number, string]>;
}

async function start(options: PartialProxyOptions = {}): Promise<Cut> {
  const redis = await openClient();
  const name = `localhost:${host.port}`;
  const clock = stopClock();
  const checks = { checkInterval: 10_000, checkTimeout: 5000 };
  const started = await before([host], { hosts: [name], redisClient: redis, keyPrefix, ...checks, ...options });
  const postLate = async (sid: string, cutFor?: number): Promise<[number, string]> => {
    let answer: [number, string] | undefined;
    void post(started.url, sid).then((came) => answer = came);
    await until('it is on its way', () => answer ?? started.proxy.hosts[0]?.requests === 1);
    if (cutFor !== undefined) setTimeout(() => address = '127.0.0.1', cutFor);
    await clock.advanceUntil('it is answered', () => answer, 500);
    return answer as unknown as [number, string];
  };
  const cut = async (to: string): Promise<void> => {
    await clock.advance(5000);
    address = to;
  };
  const recover = async (): Promise<void> => {
    address = '127.0.0.1';
    // A little at a time: what a check is answered comes in real time.
    await until('it is up', async () => {
      await clock.advance(500);
      return started.proxy.hosts[0]?.state === 'up';
    });
  };
  const boundTo = (sid: string): Promise<string | null> => redis.get(keyPrefix + sid);
  return { ...started, clock, name, postLate, cut, recover, boundTo };
}

describe('a host that one of two proxies cannot reach', () => {
  it('keeps its sessions there too for as long as a silent host, and in Redis in any case', async () => {
    // No check falls into what follows, before it is to recover.
    const { proxy, url, clock, name, boundTo, postLate, cut, recover } = await start({ unhealthyAfter: 1, checkInterval: 60_000 });
    const sid = await handshake(url);
    expect(await post(otherUrl, sid)).toEqual([200, 'ok']);
    const downs: unknown[] = [];
    proxy.on('down', (...down) => downs.push(down));
    await cut(FULL);
    // It goes on as soon as a connection can be made, whatever the checks have found.
    expect(await postLate(sid, 5000)).toEqual([200, 'ok']);
    expect(downs).toEqual([[name, 'unreachable']]);
    expect(proxy.hosts).toMatchObject([{ state: 'down', sessions: 1 }]);
    await cut(FULL);
    await clock.advance(14_900);
    expect(await proxy.findSession(sid)).toMatchObject({ host: name });
    await clock.advance(200);
    expect(await post(url, sid)).toEqual(UNKNOWN);
    expect(await post(url, sid)).toEqual(UNKNOWN);
    expect(proxy.hosts).toMatchObject([{ state: 'down', downReason: 'unreachable', sessions: 0 }]);
    expect(await boundTo(sid)).toBe(name);
    expect(await post(otherUrl, sid)).toEqual([200, 'ok']);
    await recover();
    expect(await post(url, sid)).toEqual([200, 'ok']);
    expect(proxy.hosts).toMatchObject([{ state: 'up', sessions: 1 }]);
  });

  it('keeps its sessions in Redis where connections are refused, and serves them again once they are not', async () => {
    const { proxy, url, name, boundTo, cut, recover } = await start();
    const sid = await handshake(url);
    const down = once(proxy, 'down');
    await cut('ECONNREFUSED');
    expect(await post(url, sid)).toEqual(UNKNOWN);
    expect(await down).toEqual([name, 'refused']);
    expect(await post(url, sid)).toEqual(UNKNOWN);
    // One that this proxy has not seen.
    const opened = await handshake(otherUrl);
    expect(await post(url, opened)).toEqual(UNKNOWN);
    expect(proxy.hosts).toMatchObject([{ sessions: 0 }]);
    expect([await boundTo(sid), await boundTo(opened)]).toEqual([name, name]);
    expect(await post(otherUrl, sid)).toEqual([200, 'ok']);
    await recover();
    expect(await post(url, sid)).toEqual([200, 'ok']);
    expect(await post(url, opened)).toEqual([200, 'ok']);
    expect(proxy.hosts).toMatchObject([{ sessions: 2 }]);
  });

  it.each([
    ['no way leads there', 'EHOSTUNREACH', 'unreachable', UNKNOWN], ['ports are lacking here', 'EADDRNOTAVAIL', undefined, UNREACHED],
  ])('has its sessions go on where that passes in time: %s', async (_, code, downReason, late) => {
    const { proxy, url, cut, postLate } = await start({ unhealthyAfter: 1, checkInterval: 3_600_000 });
    const sid = await handshake(url);
    await cut(code);
    expect(await postLate(sid, 10_000)).toEqual([200, 'ok']);
    expect(proxy.hosts[0]).toMatchObject({ downReason, sessions: 1 });
    await cut(code);
    expect(await postLate(sid)).toEqual(late);
  });

  it.each([
    ['poll', (sid: string) => `GET /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: a\r\n\r\n`], ['upgrade', upgradeOf],
  ])('is sent no %s whose client has left meanwhile', async (what, bytesOf) => {
    const { proxy, url, port, clock, cut } = await start({ checkInterval: 3_600_000 });
    const sid = await handshake(url);
    const underWay = (): number => (proxy.hosts[0]?.requests ?? 0) + (proxy.hosts[0]?.tunnels ?? 0);
    await until('the handshake is over', () => underWay() === 0);
    await cut('EHOSTUNREACH');
    let arrived = 0;
    const count = (): number => arrived += 1;
    host.on(what, count);
    onCleanup(() => host.off(what, count));
    const client = await connect(port, bytesOf(sid));
    await until('it is on its way', () => underWay() === 1);
    client.destroy();
    await until('it has left', () => underWay() === 0);
    address = '127.0.0.1';
    await clock.advance(2000);
    await settle();
    expect([arrived, underWay()]).toEqual([0, 0]);
  });

  it('takes as many failures as unhealthyAfter says, of which those of one moment are one', async () => {
    const { proxy, url, clock, cut } = await start({ unhealthyAfter: 3, checkInterval: 3_600_000 });
    const sid = await handshake(url);
    await cut(FULL);
    const states = (): unknown[] => proxy.hosts.map(({ state, downReason }) => downReason ?? state);
    /** Each attempt of a request takes 2 s, at the same time as those of others. */
    const attempts = async (count: number): Promise<void> => {
      for (let i = 0; i < count * 4; i += 1) {
        await clock.advance(500);
        await settle();
      }
    };
    const send = async (count: number): Promise<Promise<[number, string][]>[]> => {
      const posts = Array.from({ length: count }, () => post(url, sid));
      await until('all are on their way', () => proxy.hosts[0]?.requests === count);
      return [Promise.all(posts)];
    };
    const [first] = await send(10);
    await attempts(1);
    address = '127.0.0.1';
    await clock.advanceUntil('they are answered', () => proxy.hosts[0]?.requests === 0, 100);
    expect(await first).toEqual(Array.from({ length: 10 }, () => [200, 'ok']));
    // An answer after the last failure shows that the host is well.
    await clock.advance(1);
    expect(await post(url, sid)).toEqual([200, 'ok']);
    expect(states()).toEqual(['up']);
    await cut(FULL);
    const [second] = await send(1);
    await attempts(2);
    expect(states()).toEqual(['up']);
    await attempts(1);
    expect(states()).toEqual(['unreachable']);
    // And 14 s more.
    await attempts(6);
    expect(proxy.hosts[0]?.requests).toBe(1);
    await attempts(1);
    expect(await second).toEqual([UNREACHED]);
  });

  it('keeps a WebSocket that is open, and its binding', async () => {
    const { proxy, url, clock, name, boundTo, cut } = await start();
    const socket = await openWebSocket(url);
    const sid = host.sids.at(-1) ?? '';
    await until('it is bound', async () => await boundTo(sid) === name);
    await cut(FULL);
    await clock.advance(40_000);
    expect(await post(url, sid)).toEqual(UNKNOWN);
    expect(proxy.hosts).toMatchObject([{ state: 'down', downReason: 'unreachable', tunnels: 1 }]);
    expect(socket.readyState).toBe(socket.OPEN);
    expect(await boundTo(sid)).toBe(name);
  });
});

it('asks the store once for a sid whose host is gone, which is not a use of it', async () => {
  const clock = stopClock();
  const inner = new MemoryStore();
  const asked: string[] = [];
  const store: SessionStore = {
    bind: (...args) => inner.bind(...args),
    find: (...args) => {
      asked.push(`find ${args[0]}`);
      return inner.find(...args);
    },
    unbind: (sid) => {
      asked.push(`unbind ${sid}`);
      return inner.unbind(sid);
    },
  };
  await inner.bind('a', '127.0.0.1:1', 60);
  const { proxy, url } = await startProxy({ store, hosts: ['127.0.0.1:1'], keyExpiry: 60, checkInterval: 3_600_000 });
  await until('it is down', () => proxy.hosts[0]?.state === 'down');
  for (let i = 0; i < 3; i += 1) {
    expect(await post(url, 'a')).toEqual(UNKNOWN);
    await clock.advance(19_000);
  }
  expect(asked).toEqual(['find a']);
  await clock.advance(10_000);
  // Here it has expired, as in the store.
  expect(await post(url, 'a')).toEqual(UNKNOWN);
  expect(asked).toEqual(['find a', 'find a']);
  expect(await inner.inspect('a')).toBeUndefined();
});
