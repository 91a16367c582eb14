import { once } from 'node:events';
import { inspect, promisify } from 'node:util';
import Proxy from '../../src';
import type { Hosts } from '../../src/hosts/hosts';
import { onCleanup } from '../support/cleanup';
import { stopClock } from '../support/clock';
import { exchangeBytes, handshake, pollUrl, request, startServer } from '../support/http';
import { startProxy, type ProxyInstance } from '../support/proxy';
import { before, countsOf, openWebSocket, startSessionHost, startSessionHosts, type SessionHost } from '../support/session-host';
import { clientSid, hostSid, ownStore } from '../support/stores';
import { until } from '../support/until';

const UNKNOWN = { status: 400, body: '{"code":1,"message":"Session ID unknown"}' };
const HANDSHAKE = '/socket.io/?EIO=4&transport=polling';

describe('addHost', () => {
  it('adds a host that gets sessions once its first health check has found it up', async () => {
    const [first, second] = await startSessionHosts(2) as [SessionHost, SessionHost];
    const { proxy, url } = await before([first]);
    const told: string[] = [];
    for (const event of ['added', 'up', 'down'] as const) proxy.on(event, (host: string) => told.push(`${event} ${host}`));
    second.health = 500;
    proxy.addHost(second.name, { weight: 5 });
    expect(proxy.hosts[1]).toMatchObject({ host: second.name, state: 'checking', weight: 5 });
    await once(proxy, 'down');
    proxy.drainHost(first.name);
    expect(await request(url + HANDSHAKE)).toMatchObject({ status: 503 });
    second.health = 400;
    await once(proxy, 'up');
    expect(hostSid(await handshake(url))).toBe(second.sids[0]);
    expect(told).toEqual([`added ${second.name}`, `down ${second.name}`, `up ${second.name}`]);
  });

  it('adds a host before the proxy listens', async () => {
    const [first, second] = await startSessionHosts(2) as [SessionHost, SessionHost];
    const proxy = new Proxy({ store: ownStore(), hosts: [first.name], drainTimeout: 0 });
    onCleanup(() => proxy.close());
    proxy.addHost(second.name);
    proxy.listen(0, '127.0.0.1');
    await until('both are up', () => proxy.hosts.every(({ state }) => state === 'up'));
    expect(proxy.hosts.map(({ host }) => host)).toEqual([first.name, second.name]);
  });

  it('leads the sids to the host that the store maps to it', async () => {
    const [first, second] = await startSessionHosts(2) as [SessionHost, SessionHost];
    const store = ownStore();
    const sid = clientSid('known', second.name);
    await store.bind(sid, second.name, 60);
    const { proxy, url } = await before([first], { store });
    const post = (): Promise<unknown> => request(pollUrl(url, sid), { method: 'POST', body: '2' });
    expect(await post()).toMatchObject(UNKNOWN);
    proxy.addHost(second.name);
    await once(proxy, 'up');
    expect(await post()).toMatchObject({ status: 200, body: 'ok' });
  });
});

describe('removeHost', () => {
  it('ends the host\'s requests, WebSockets, connections and health checks, and no others', async () => {
    const [first, second] = await startSessionHosts(2) as [SessionHost, SessionHost];
    const { proxy, url } = await before([first, second], { balance: 'round-robin' });
    const [sid, other] = [await handshake(url), await handshake(url)];
    const held = Promise.all([once(first, 'poll'), once(second, 'poll')]);
    const [poll, otherPoll] = [request(pollUrl(url, sid)), request(pollUrl(url, other))];
    await held;
    const sockets = [await openWebSocket(url, sid), await openWebSocket(url, other), await openWebSocket(url)];
    expect(countsOf(proxy)).toEqual([[2, 2, 1], [1, 1, 1]]);
    const removed = once(proxy, 'removed');
    const closed = Promise.all([once(sockets[0] ?? proxy, 'close'), once(sockets[2] ?? proxy, 'close')]);
    proxy.removeHost(first.name);
    expect(await removed).toEqual([first.name]);
    expect(proxy.hosts.map(({ host }) => host)).toEqual([second.name]);
    await expect(poll).rejects.toThrow('socket hang up');
    await closed;
    await until('no connection is left', async () => await first.connections === 0);
    let checks = 0;
    first.on('check', () => (checks += 1));
    for (let i = 0; i < 5; i += 1) await once(second, 'check');
    expect(checks).toBe(0);
    expect(await request(pollUrl(url, sid), { method: 'POST', body: '2' })).toMatchObject(UNKNOWN);
    expect(await exchangeBytes(Number(new URL(url).port), [
      `GET /socket.io/?EIO=4&transport=websocket&sid=${sid} HTTP/1.1`, 'Host: a', 'Connection: Upgrade', 'Upgrade: websocket', '', '',
    ].join('\r\n'))).toMatch(/^HTTP\/1\.1 400 /);
    expect(await first.connections).toBe(0);
    second.answer();
    expect((await otherPoll).body).toBe('2');
    expect(sockets[1]?.readyState).toBe(1);
    expect(countsOf(proxy)).toEqual([[1, 1, 0]]);
  });

  it('ends a handshake that is under way, and a health check', async () => {
    const host = await startSessionHost();
    const { proxy, url } = await before([host], { checkInterval: 60_000 });
    host.holdsHandshakes = true;
    const [poll] = [handshake(url), await once(host, 'handshake')];
    proxy.removeHost(host.name);
    await expect(poll).rejects.toThrow('socket hang up');
    await until('no connection is left', async () => await host.connections === 0);
    expect(await request(url + HANDSHAKE)).toMatchObject({ status: 503, body: '{"code":"NO_HOST","message":"No host is up"}' });
  });

  it('closes the connections to the host that are idle', async () => {
    // Neither it nor the proxy closes one by itself.
    stopClock();
    const { server, name } = await startServer((_, res) => res.end('0{"sid":"a"}'), { keepAliveTimeout: 0 });
    const connections = (): Promise<number> => promisify(server.getConnections.bind(server))();
    const { proxy, url } = await startProxy({ hosts: [name], checkInterval: 60_000 });
    await handshake(url);
    await until('one is idle', async () => await connections() === 1);
    proxy.removeHost(name);
    await until('none is left', async () => await connections() === 0);
  });

  it('lets the host be added again, with the sessions that the store still knows', async () => {
    const host = await startSessionHost();
    const { proxy, url } = await before([host]);
    const sid = await handshake(url);
    const post = (): Promise<unknown> => request(pollUrl(url, sid), { method: 'POST', body: '2' });
    proxy.removeHost(host.name);
    expect(await post()).toMatchObject(UNKNOWN);
    proxy.addHost(host.name, { weight: 2 });
    await once(proxy, 'up');
    expect(countsOf(proxy)).toEqual([[0, 0, 0]]);
    expect(await post()).toMatchObject({ status: 200 });
    await handshake(url);
    await until('the handshake is over', () => proxy.hosts[0]?.requests === 0);
    expect(countsOf(proxy)).toEqual([[2, 0, 0]]);
  });

  it('reports a host no more whose health check was under way', async () => {
    const [first, second] = await startSessionHosts(2) as [SessionHost, SessionHost];
    const { proxy } = await before([first, second]);
    const told: string[] = [];
    for (const event of ['up', 'down'] as const) proxy.on(event, (host: string) => told.push(`${event} ${host}`));
    first.once('check', () => proxy.removeHost(first.name));
    first.health = 500;
    await once(proxy, 'removed');
    for (let i = 0; i < 3; i += 1) await once(second, 'check');
    expect(told).toEqual([]);
  });
});

describe('what is no host', () => {
  const FORMS = "expected 'host:port', '[IPv6]:port', 'http://…' or 'https://…'";
  const make = (): ProxyInstance => new Proxy({ store: ownStore(), hosts: ['localhost:3000'] });

  it.each<[name: unknown, message: string]>([
    ['b', `'host': a port is missing: ${FORMS}, received 'b'`],
    ['b:1/path', `'host': ${FORMS}, received 'b:1/path'`],
    [3000, "'host' must be a string, received 3000"],
    [undefined, "'host' must be a string, received undefined"],
    ['localhost:3000', "'host' must name another server than 'localhost:3000', received 'localhost:3000'"],
    ['http://LOCALHOST:3000', "'host' must name another server than 'localhost:3000', received 'http://LOCALHOST:3000'"],
  ])('is not added: %p', (name, message) => {
    const proxy = make();
    expect(() => proxy.addHost(name as string)).toThrow(new TypeError(message));
    expect(proxy.hosts).toHaveLength(1);
  });

  it.each([-1, 1001, 0.5, NaN, '2', null])('is given no weight of %p', (weight) => {
    const proxy = make();
    const error = new TypeError(`'weight' must be an integer from 0 to 1000, received ${inspect(weight)}`);
    if (weight !== null) expect(() => proxy.addHost('b:1', { weight: weight as number })).toThrow(error);
    expect(() => proxy.setWeight('localhost:3000', weight as number)).toThrow(error);
    expect(proxy.hosts.map(({ host, weight: kept }) => [host, kept])).toEqual([['localhost:3000', 1]]);
  });

  it.each(['removeHost', 'drainHost', 'undrainHost', 'setWeight'] as const)('is refused by %s', (method) => {
    const proxy = make();
    for (const name of ['localhost:3001', 'http://localhost:3000', '__proto__', '']) {
      expect(() => proxy[method](name, 1)).toThrow(new Error(`unknown host '${name}'`));
    }
  });

  it('is refused as the options of another', () => {
    expect(() => make().addHost('b:1', 2 as never)).toThrow(new TypeError("'options' must be an object, received 2"));
  });
});

it('may be told by another part which hosts are up', async () => {
  const [first, second] = await startSessionHosts(2) as [SessionHost, SessionHost];
  let checks = 0;
  for (const host of [first, second]) host.on('check', () => (checks += 1));
  let hosts: Hosts | undefined;
  let stopped = false;
  let isReady = (): void => {};
  const becomingReady = new Promise<void>((resolve) => (isReady = resolve));
  const source = { ready: false, start: () => becomingReady, stop: () => void (stopped = true) };
  const proxy = new Proxy(
    { store: ownStore(), hosts: [first.name, second.name], drainTimeout: 0 },
    { healthSource: (all) => {
      hosts = all;
      return source;
    } },
  );
  onCleanup(() => proxy.close());
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.server.address() as { port: number };
  const opening = handshake(`http://127.0.0.1:${port}`);
  for (const host of hosts?.all ?? []) hosts?.report(host, host.name === first.name ? 'failing' : undefined);
  source.ready = true;
  isReady();
  const [removed] = hosts?.all ?? [];
  const told: string[] = [];
  for (const event of ['up', 'down'] as const) proxy.on(event, (host: string) => told.push(`${event} ${host}`));
  expect(hostSid(await opening)).toBe(second.sids[0]);
  expect(proxy.hosts.map(({ state, downReason }) => [state, downReason])).toEqual([['down', 'failing'], ['up', undefined]]);
  expect(checks).toBe(0);
  // It may not have heard yet that a host was removed.
  proxy.removeHost(first.name);
  if (removed) hosts?.report(removed, undefined);
  expect(told).toEqual([]);
  await proxy.close();
  expect(stopped).toBe(true);
});
