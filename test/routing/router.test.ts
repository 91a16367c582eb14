import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { MemoryStore, type SessionStore } from '../../src';
import { refusals, type Refusal } from '../../src/base/refusals';
import { Host } from '../../src/hosts/host';
import { Hosts } from '../../src/hosts/hosts';
import { Admission } from '../../src/routing/admission';
import type { Route } from '../../src/routing/route';
import { Router, type RouterOptions } from '../../src/routing/router';
import { Bindings } from '../../src/sessions/bindings';
import { onCleanup } from '../support/cleanup';
import { stopClock } from '../support/clock';
import { AT_HOST } from '../support/known-bindings';

const POLLING = '/socket.io/?EIO=4&transport=polling';
const WEBSOCKET = '/socket.io/?EIO=4&transport=websocket';
const UPGRADE = ['Connection', 'Upgrade', 'Upgrade', 'websocket'];

function requestOf(url: string, method = 'GET', rawHeaders: string[] = []): IncomingMessage {
  const req = new IncomingMessage(new Socket());
  if (rawHeaders === UPGRADE) req.headers.upgrade = 'websocket';
  return Object.assign(req, { method, url, rawHeaders: ['Host', 'a', ...rawHeaders], httpVersionMajor: 1, httpVersionMinor: 1 });
}

interface Routing {
  host: Host;
  hosts: Hosts;
  bindings: Bindings;
  admission: Admission;
  router: Router;
  /** The store's connection is lost, as it says. */
  fail: () => void;
  route: (...request: Parameters<typeof requestOf>) => Route | Refusal | Promise<Route | Refusal>;
}

/** A router before one host that is up. @param queued how many handshakes may wait, of which one may go on. */
function routing(options: Partial<RouterOptions> = {}, queued?: number, answers: Partial<SessionStore> = {}): Routing {
  const host = new Host('a:1');
  const hosts = new Hosts([host], { balance: 'random', slowStart: 0, maxSessions: undefined, unhealthyAfter: 1, healthyAfter: 1 });
  hosts.report(host, undefined);
  let failed: (error: Error) => void = () => {};
  const store: SessionStore = Object.assign(new MemoryStore(), { watch: (tell: typeof failed) => failed = tell, ...answers });
  const bindings = new Bindings(store, hosts, { ...AT_HOST, keyExpiry: 60, cacheSize: 10, storeTimeout: 1000 });
  onCleanup(() => bindings.close());
  const admission = new Admission({
    maxHandshakesPerSecond: queued === undefined ? undefined : 1, maxQueuedHandshakes: queued ?? 0, handshakeQueueTimeout: 60_000,
  });
  const router = new Router({
    path: '/socket.io/', onStoreFailure: 'local', server: undefined, trustProxy: false, maxHandshakesPerAddress: undefined, ...options,
  }, hosts, bindings, admission);
  const route: Routing['route'] = (...request) => router.route(requestOf(...request));
  return { host, hosts, bindings, admission, router, fail: () => failed(new Error('ECONNRESET')), route };
}

/** A route to a host that has no session yet. */
const toHost = (host: Host): object => ({ host, binding: undefined });

describe('a target', () => {
  it.each<[path: string, target: string, owned: boolean]>([
    ['/socket.io/', '/socket.io/', true], ['/socket.io/', '/socket.io', true], ['/socket.io/', '/socket.io?EIO=4', true],
    ['/socket.io/', '/socket.io/x', true], ['/socket.io/', 'http://a/socket.io/', true],
    ['/socket.io/', '/socket.iox', false], ['/socket.io/', '/socket.i', false], ['/socket.io/', '/socket.x?', false],
    ['/socket.io/', '/other/?x=/socket.io/', false], ['/socket.io/', '/', false], ['/', '/', true], ['/', '/x', true],
  ])('on the path %s: %s (%p)', (path, target, owned) => {
    const { router, host } = routing({ path });
    expect(router.owns(target)).toBe(owned);
    expect(router.route(requestOf(target))).toEqual(owned ? expect.objectContaining(toHost(host)) : refusals.badPath);
  });

  it.each([
    '/socket.io/..', '/socket.io/../x', '/socket.io/.', '/socket.io/x/../y', '/socket.io/..?EIO=4', '/socket.io/x/..?EIO=4',
    '/socket.io/x\\..', '/socket.io/%2e%2E/', '/socket.io/x%2f..', '/socket.io/x%5c..', '/socket.io/..;x', '/socket.io/..%2fx',
    '/socket.io/#', '/socket.io/ ', '/socket.io/\x7f', '/socket.io/\xe9',
  ])('is refused that servers may read in another way: %s', (target) => {
    expect(routing().route(target)).toBe(refusals.badTarget);
  });

  it.each(['/socket.io/...', '/socket.io/x..', '/socket.io/?/../', '/socket.io?/../', '/socket.io/x?/..', '/socket.io/..x/!~'])(
    'goes on with dots that lead nowhere else: %s', (target) => {
      const { route, host } = routing();
      expect(route(target)).toMatchObject(toHost(host));
    },
  );
});

it.each<[string, Refusal, string[], Partial<RouterOptions>?]>([
  ['two hosts', refusals.badHost, ['Host', 'b']],
  ['more fields than the server shows', refusals.tooManyFields, ['X', '1', 'Y', '2'], { server: { maxHeadersCount: 2 } }],
])('refuses a request with %s', (_, refusal, rawHeaders, options = {}) => {
  expect(routing(options).route('/other/', 'GET', rawHeaders)).toBe(refusal);
});

describe('a handshake', () => {
  it.each<[counts: boolean, ...Parameters<typeof requestOf>]>([
    [true, POLLING], [true, WEBSOCKET, 'GET', UPGRADE], [true, POLLING, 'GET', UPGRADE],
    [false, WEBSOCKET], [false, POLLING, 'POST'], [false, POLLING, 'OPTIONS'], [false, '/socket.io/'], [false, WEBSOCKET, 'POST', UPGRADE],
  ])('is one that may open a session (%p): %s %s %j', (counts, ...request) => {
    const { route, host } = routing({}, 0);
    expect(route(...request)).toMatchObject(toHost(host));
    const { code } = refusals.tooManyHandshakes;
    expect(route(POLLING)).toMatchObject(counts ? { code } : toHost(host));
  });

  it('waits for its turn, and then goes to a host that is up', async () => {
    const clock = stopClock();
    const { route, host, hosts } = routing({}, 2);
    void route(POLLING);
    const waiting = [route(POLLING), route(POLLING)];
    expect(waiting).toEqual([expect.any(Promise), expect.any(Promise)]);
    await clock.advance(1020);
    expect(await waiting[0]).toMatchObject(toHost(host));
    hosts.drain(host.name);
    await clock.advance(1020);
    expect(await waiting[1]).toBe(refusals.noHost);
  });

  it('is refused when its turn does not come', async () => {
    const { route, admission } = routing({}, 1);
    void route(POLLING);
    const waiting = route(POLLING);
    admission.stop();
    expect(await waiting).toBe(refusals.closing);
  });

  it('is refused at once where no host is up, and takes no turn', () => {
    const { route, host, hosts } = routing({}, 0);
    hosts.drain(host.name);
    expect(route(POLLING)).toBe(refusals.noHost);
    hosts.undrain(host.name);
    expect(route(POLLING)).toMatchObject(toHost(host));
  });

  it.each<[onStoreFailure: RouterOptions['onStoreFailure'], ...Parameters<typeof requestOf>]>([
    ['refuse', WEBSOCKET, 'GET', UPGRADE], ['refuse', '/socket.io/'], ['local', POLLING],
  ])('goes on while the store fails (onStoreFailure: %s): %s %s %j', (onStoreFailure, ...request) => {
    const { route, host, fail } = routing({ onStoreFailure });
    fail();
    expect(route(...request)).toMatchObject(toHost(host));
  });

  it('is refused while the store fails, where it is to be, and takes no turn', () => {
    const { route, host, fail } = routing({ onStoreFailure: 'refuse' }, 0);
    fail();
    expect(route(POLLING)).toBe(refusals.storeFailed);
    expect(route(WEBSOCKET, 'GET', UPGRADE)).toMatchObject(toHost(host));
  });

  it('that waits is refused where the store has failed by then', async () => {
    const clock = stopClock();
    const { route, fail } = routing({ onStoreFailure: 'refuse' }, 1);
    void route(POLLING);
    const waiting = route(POLLING);
    fail();
    await clock.advance(1020);
    expect(await waiting).toBe(refusals.storeFailed);
  });
});

describe('a request of a session', () => {
  const SESSION = `${POLLING}&sid=known`;

  it('goes to its host, at once where that is known here, whatever becomes of new sessions', async () => {
    const { route, host, hosts, bindings } = routing({}, 0);
    const binding = await bindings.bind('known', host, 45);
    hosts.drain(host.name);
    for (let i = 0; i < 2; i += 1) expect(route(SESSION)).toMatchObject({ host, binding });
  });

  it('goes to the host that the store names', async () => {
    const { route, host } = routing({}, undefined, { find: () => Promise.resolve('a:1') });
    const found = route(SESSION);
    expect(found).toEqual(expect.any(Promise));
    expect(await found).toMatchObject({ host, binding: { sid: 'known' } });
  });

  it('is refused where its sid is none', () => {
    expect(routing().route(`${POLLING}&sid=`)).toBe(refusals.malformedSid);
  });

  it('is refused where its host is gone, and counts no longer', async () => {
    const clock = stopClock();
    const { route, host, hosts, bindings } = routing();
    await bindings.bind('known', host, 45);
    hosts.report(host, 'unreachable');
    await clock.advance(20_000);
    expect(route(SESSION)).toMatchObject({ host });
    await clock.advance(1);
    expect(host.sessions).toBe(1);
    expect(route(SESSION)).toBe(refusals.host_gone);
    expect(host.sessions).toBe(0);
  });

  it.each<[what: string, found: string | undefined, awaitsDiscovery: boolean, refusal: Refusal]>([
    ['the store does not know it', undefined, false, refusals.never_seen],
    ['the store does not know it, and DNS was not asked yet', undefined, true, refusals.never_seen],
    ['the store names no host', 'b:1', false, refusals.host_gone],
    ['the store names no host, which DNS may still name', 'b:1', true, refusals.noHost],
  ])('is refused where %s', async (_, found, awaitsDiscovery, refusal) => {
    const { route, hosts } = routing({}, undefined, { find: () => Promise.resolve(found) });
    hosts.awaitsDiscovery = awaitsDiscovery;
    expect(await route(SESSION)).toBe(refusal);
  });

  it('is refused where the store cannot be asked', async () => {
    const { route } = routing({}, undefined, { find: () => Promise.reject(new Error('no store')) });
    expect(await route(SESSION)).toBe(refusals.storeFailed);
  });
});
