import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { MemoryStore, RedisStore } from '../../src';
import { onCleanup } from '../support/cleanup';
import { settle, stopClock } from '../support/clock';
import { handshake, pollUrl, request, startServer } from '../support/http';
import { startProxy } from '../support/proxy';
import { openClient, uniqueKeyPrefix, type TestClient } from '../support/redis';
import { before, countsOf, openWebSocket, startSessionHost, type SessionHost } from '../support/session-host';
import { clientSid, onSids } from '../support/stores';
import { until } from '../support/until';
import { connect, upgradeOf } from '../support/upgrades';

const HOUR = 3_600_000;

let host: SessionHost;

beforeAll(async () => {
  host = await startSessionHost();
});

describe('findSession', () => {
  it('tells what carries a session by polling: a held poll, or nothing between two of them', async () => {
    const { proxy, url } = await before([host]);
    const sid = await handshake(url);
    await until('the handshake is over', () => proxy.hosts[0]?.requests === 0);
    const report = await proxy.findSession(sid);
    expect(report).toEqual({
      sid, host: host.name, from: 'cache', transport: undefined, open: 0,
      age: expect.any(Number) as number, expiresIn: expect.any(Number) as number,
    });
    const [poll] = [request(pollUrl(url, sid)), await once(host, 'poll')];
    // Its host says that it lives for 45 s: 4/3 of that.
    expect(await proxy.findSession(sid)).toMatchObject({ from: 'cache', transport: 'polling', open: 1, expiresIn: 60 });
    host.answer();
    await poll;
    await until('the poll is over', () => proxy.hosts[0]?.requests === 0);
    expect(await proxy.findSession(sid)).toMatchObject({ transport: undefined, open: 0 });
  });

  it('tells for how long it has been known, and when it expires unless it is used', async () => {
    const clock = stopClock();
    const { proxy, url } = await before([host], { keyExpiry: 100, checkInterval: HOUR });
    const sid = await handshake(url);
    await until('the handshake is over', () => proxy.hosts[0]?.requests === 0);
    await clock.advance(30_250);
    // To be looked at is no use of it.
    for (let i = 0; i < 2; i += 1) expect(await proxy.findSession(sid)).toMatchObject({ age: 30.25, expiresIn: 69.75 });
    await request(pollUrl(url, sid), { method: 'POST', body: '2' });
    await until('it is over', () => proxy.hosts[0]?.requests === 0);
    expect(await proxy.findSession(sid)).toMatchObject({ age: 30.25, expiresIn: 100 });
  });

  it('tells that a WebSocket carries it, which came after an upgrade or has opened it', async () => {
    const { proxy, url } = await before([host]);
    const sid = await handshake(url);
    await openWebSocket(url, sid);
    await openWebSocket(url);
    await until('the handshake is over', () => proxy.hosts[0]?.requests === 0);
    for (const each of host.sids.slice(-2)) {
      expect(await proxy.findSession(each)).toMatchObject({
        sid: clientSid(each, host.name), host: host.name, from: 'cache', transport: 'websocket', open: 1,
      });
    }
  });

  it('tells that polling carries it while its host has not answered an upgrade', async () => {
    const { server, name } = await startServer((_, res) => res.end('0{"sid":"upgrading"}'));
    server.on('upgrade', (_, socket: Duplex) => {
      onCleanup(() => socket.destroy());
      server.emit('asked', socket.on('error', () => {}));
    });
    const { proxy, url, port } = await before([{ name }]);
    const sid = await handshake(url);
    const asked = once(server, 'asked');
    await connect(port, upgradeOf(sid));
    await asked;
    await until('the handshake is over', () => proxy.hosts[0]?.requests === 0);
    expect(await proxy.findSession(sid)).toMatchObject({ transport: 'polling', open: 1 });
  });

  it('knows a session that is held open and no longer in its cache', async () => {
    const { proxy, url } = await before([host], { cacheSize: 1 });
    const socket = await openWebSocket(url);
    const sid = clientSid(host.sids.at(-1) ?? '', host.name);
    await openWebSocket(url);
    expect(await proxy.findSession(sid)).toMatchObject({ from: 'cache', transport: 'websocket' });
    const closed = once(socket, 'close');
    expect(await proxy.endSession(sid)).toBe('ended');
    await closed;
    expect(await proxy.findSession(sid)).toBe('ended');
  });

  it('tells why there is no session', async () => {
    const clock = stopClock();
    const short = await startSessionHost(100);
    const { proxy, url } = await before([short], { keyExpiry: 1, checkInterval: HOUR });
    expect(await proxy.findSession('never-seen')).toBe('never_seen');
    const sid = await handshake(url);
    await until('the handshake is over', () => proxy.hosts[0]?.requests === 0);
    await clock.advance(3000);
    // A sid with a token does not expire: its host, which has it still, is asked.
    if (!onSids) {
      expect(await proxy.findSession(sid)).toBe('expired');
      expect(await proxy.endSession(sid)).toBe('expired');
    }
    (await openWebSocket(url)).terminate();
    await until('the WebSocket has ended', () => proxy.hosts[0]?.tunnels === 0);
    expect(await proxy.findSession(clientSid(short.sids[1] ?? '', short.name))).toBe('ended');
  });

  it.each<[string, (own: SessionHost, remove: () => void) => unknown]>([
    ['was removed', (_, remove) => remove()],
    ['refuses connections', (own) => own.stop()],
  ])('tells that its host is gone, which %s', async (_, end) => {
    const own = await startSessionHost();
    const { proxy, url } = await before([own]);
    const sid = await handshake(url);
    await until('the handshake is over', () => proxy.hosts[0]?.requests === 0);
    await end(own, () => proxy.removeHost(own.name));
    await until('it is gone', () => proxy.hosts.every(({ downReason }) => downReason === 'refused'));
    expect(await proxy.findSession(sid)).toBe('host_gone');
    expect(await proxy.endSession(sid)).toBe('host_gone');
  });

  it('tells of one that is bound to what is no host that it has none', async () => {
    const store = new MemoryStore();
    const { proxy } = await before([host], { store });
    await store.bind('a', 'elsewhere:80', 60);
    expect(await proxy.findSession('a')).toBe('host_gone');
    expect(await proxy.endSession('a')).toBe('host_gone');
  });

  it('rejects while the store cannot be asked, though not for sessions that are known here', async () => {
    class Failing extends MemoryStore {
      fails = false;

      override inspect(sid: string): ReturnType<MemoryStore['inspect']> {
        return this.fails ? Promise.reject(new Error('no store')) : super.inspect(sid);
      }
    }
    const store = new Failing();
    const { proxy, url } = await before([host], { store });
    const sid = await handshake(url);
    store.fails = true;
    await expect(proxy.findSession('another')).rejects.toThrow('no store');
    await expect(proxy.endSession('another')).rejects.toThrow('no store');
    expect(await proxy.findSession(sid)).toMatchObject({ from: 'cache' });
  });

  it.each([undefined, 5, null])('rejects the sid %o', async (sid) => {
    const { proxy } = await before([host]);
    const error = new TypeError(`'sid' must be a string, received ${String(sid)}`);
    await expect(proxy.findSession(sid as never)).rejects.toThrow(error);
    await expect(proxy.endSession(sid as never)).rejects.toThrow(error);
  });

  describe('of a session that only the store knows', () => {
    let redisClient: TestClient;
    let keyPrefix: string;

    beforeEach(async () => {
      redisClient = await openClient();
      keyPrefix = uniqueKeyPrefix();
    });

    it('tells until when it is kept, and leaves that as it is', async () => {
      const [one, other] = [await before([host], { redisClient, keyPrefix }), await before([host], { redisClient, keyPrefix })];
      const sid = await handshake(one.url);
      await redisClient.expire(keyPrefix + sid, 1000);
      expect(await other.proxy.findSession(sid)).toEqual({
        sid, host: host.name, from: 'store', transport: undefined, age: undefined, open: undefined, expiresIn: expect.any(Number) as number,
      });
      const report = await other.proxy.findSession(sid);
      const expiresIn = typeof report === 'string' ? NaN : report.expiresIn;
      expect(expiresIn).toBeGreaterThan(0);
      expect(expiresIn).toBeLessThanOrEqual(1000);
      expect(await redisClient.ttl(keyPrefix + sid)).toBeLessThanOrEqual(1000);
      // Nor is it known there from then on.
      expect(other.proxy.hosts[0]?.sessions).toBe(0);
    });

    it('tells nothing of its expiry where it has none', async () => {
      const { proxy } = await before([host], { redisClient, keyPrefix });
      await redisClient.set(`${keyPrefix}for-ever`, host.name);
      onCleanup(() => redisClient.del(`${keyPrefix}for-ever`));
      expect(await proxy.findSession('for-ever')).toMatchObject({ from: 'store', expiresIn: undefined });
    });

    it('asks a store by `find` that has no `inspect`', async () => {
      const inner = new RedisStore(redisClient, keyPrefix);
      const store = {
        bind: inner.bind.bind(inner),
        find: inner.find.bind(inner),
        unbind: inner.unbind.bind(inner),
      };
      const { proxy } = await before([host], { store });
      await inner.bind('a', host.name, 30);
      expect(await proxy.findSession('a')).toMatchObject({ host: host.name, from: 'store', expiresIn: undefined });
      expect(await redisClient.ttl(`${keyPrefix}a`)).toBeLessThanOrEqual(30);
      await inner.unbind('a');
    });
  });
});

describe('endSession', () => {
  it('cuts a poll after two seconds that its host holds although it has ended the session', async () => {
    const clock = stopClock();
    const { proxy, url } = await before([host], { checkInterval: HOUR });
    const sid = await handshake(url);
    const [poll] = [request(pollUrl(url, sid)), await once(host, 'poll')];
    const cut = expect(poll).rejects.toThrow('socket hang up');
    expect(await proxy.endSession(sid)).toBe('ended');
    await clock.advance(1999);
    await settle();
    expect(countsOf(proxy)).toEqual([[0, 0, 1]]);
    await clock.advance(1);
    await cut;
    await until('nothing is left', () => proxy.hosts[0]?.requests === 0);
  });

  it('lets what the host has sent over a WebSocket arrive, however slow its client is', async () => {
    const sockets = new WebSocketServer({ noServer: true });
    const server = await startServer((_, res) => res.writeHead(400).end());
    const size = 100_000;
    const count = 200;
    server.server.on('upgrade', (req, socket, head) => sockets.handleUpgrade(req, socket, head, (accepted) => {
      accepted.send('0{"sid":"slow","pingInterval":25000,"pingTimeout":20000}');
      for (let i = 0; i < count; i += 1) accepted.send(Buffer.alloc(size, i));
    }));
    const { proxy, url } = await startProxy({ hosts: [server.name] });
    const client = await openWebSocket(url);
    client.pause();
    const received: number[] = [];
    client.on('message', (data: Buffer) => received.push(data.length));
    await until('it is known', async () => typeof await proxy.findSession('slow') === 'object');
    const closed = once(client, 'close');
    expect(await proxy.endSession('slow')).toBe('ended');
    expect(proxy.hosts[0]).toMatchObject({ sessions: 0, tunnels: 1 });
    client.resume();
    await closed;
    expect(received).toEqual(Array.from({ length: count }, () => size));
  });

  it.each([
    [400, '{"code":1,"message":"Session ID unknown"}', 'ended'],
    [400, '"Invalid session abc"', 'ended'],
    [400, 'invalid sid value: abc\n', 'ended'],
    [200, 'ok', 'ended'],
    [400, '{"code":3,"message":"Bad request"}', 'elsewhere'],
    [400, '"Bad request"', 'elsewhere'],
    [500, 'Invalid session', 'elsewhere'],
  ])('takes the answer %i %s of its host to the close for: %s', async (status, body, outcome) => {
    const { name } = await startServer((req, res) => {
      if (req.method === 'POST') res.writeHead(status);
      res.end(req.method === 'POST' ? body : '0{"sid":"a"}');
    });
    const { proxy, url } = await startProxy({ hosts: [name] });
    const sid = await handshake(url);
    expect(await proxy.endSession(sid)).toBe(outcome);
  });

  it('rejects when its host cannot be reached, and leaves the session as it is', async () => {
    // At an address of its own: nobody takes its port while it is away.
    let isOver = false;
    const listen = async (port: number): Promise<Server> => {
      const server = createServer(({ method, url: target = '' }, res) => {
        if (isOver && target.includes('sid=')) res.writeHead(400);
        isOver ||= method === 'POST';
        if (res.statusCode === 400) res.end('{"code":1,"message":"Session ID unknown"}');
        else res.end(method === 'POST' ? 'ok' : '0{"sid":"a"}');
      }).listen(port, '127.0.0.2');
      onCleanup(() => server.close());
      await once(server, 'listening');
      return server;
    };
    const server = await listen(0);
    const { port } = server.address() as AddressInfo;
    const [name, other] = [`127.0.0.2:${port}`, await startSessionHost()];
    const { proxy, url } = await startProxy({ hosts: [name], checkInterval: 60_000 });
    const sid = await handshake(url);
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
    await expect(proxy.endSession(sid)).rejects.toThrow('ECONNREFUSED');
    expect(await proxy.findSession(sid)).toMatchObject({ host: name });
    proxy.addHost(other.name);
    await listen(port);
    expect(await proxy.endSession(sid)).toBe('ended');
    expect(await request(pollUrl(url, sid))).toMatchObject({ status: 400, body: '{"code":1,"message":"Session ID unknown"}' });
  });
});
