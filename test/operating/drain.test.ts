import { once } from 'node:events';
import { stopClock } from '../support/clock';
import { handshake, pollUrl, request } from '../support/http';
import type { ProxyInstance } from '../support/proxy';
import { before, openWebSocket, startMortalHosts, startSessionHost, startSessionHosts, type SessionHost } from '../support/session-host';
import { hostSid } from '../support/stores';
import { until } from '../support/until';

const HANDSHAKE = '/socket.io/?EIO=4&transport=polling';
const REFUSED = { status: 503, body: '{"code":"NO_HOST","message":"No host is up"}' };

let hosts: [SessionHost, SessionHost];
let first: SessionHost;

beforeAll(async () => {
  hosts = await startSessionHosts(2) as typeof hosts;
  [first] = hosts;
});

/** The hosts that were told to be drained, by and by. */
function drainedOf(proxy: ProxyInstance): string[] {
  const told: string[] = [];
  proxy.on('drained', (host) => told.push(host));
  return told;
}

const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(() => setImmediate(resolve)));

it('lets sessions go on by polling and WebSocket, and has new ones go elsewhere', async () => {
  const { proxy, url } = await before(hosts, { balance: 'round-robin' });
  const sid = await handshake(url);
  const [own, other] = hostSid(sid) === hosts[0].sids.at(-1) ? hosts : [hosts[1], hosts[0]];
  const socket = await openWebSocket(url, sid);
  const told = drainedOf(proxy);
  proxy.drainHost(own.name);
  for (let i = 0; i < 3; i += 1) expect(hostSid(await handshake(url))).toBe(other.sids.at(-1));
  expect(await request(pollUrl(url, sid), { method: 'POST', body: '2' })).toMatchObject({ status: 200 });
  expect([told, socket.readyState]).toEqual([[], socket.OPEN]);
  expect(proxy.hosts.find(({ host }) => host === own.name)).toMatchObject({ sessions: 1, tunnels: 1, draining: true });
});

it('is told once of a host that has no session, yet not before drainHost has returned, and again when it is drained anew', async () => {
  const { proxy } = await before([first]);
  const told = drainedOf(proxy);
  for (let i = 0; i < 3; i += 1) proxy.drainHost(first.name);
  expect(told).toEqual([]);
  await nextTurn();
  proxy.drainHost(first.name);
  await nextTurn();
  expect(told).toEqual([first.name]);
  proxy.undrainHost(first.name);
  proxy.drainHost(first.name);
  await nextTurn();
  expect(told).toEqual([first.name, first.name]);
});

it('is not told of a host that is drained no more, or removed', async () => {
  const { proxy } = await before(hosts);
  const told = drainedOf(proxy);
  proxy.drainHost(first.name);
  proxy.undrainHost(first.name);
  proxy.drainHost(hosts[1].name);
  proxy.removeHost(hosts[1].name);
  await nextTurn();
  expect(told).toEqual([]);
});

it('refuses new sessions while all hosts that are up are draining, until one is no longer', async () => {
  const { proxy, url } = await before(hosts);
  const sid = await handshake(url);
  for (const { name } of hosts) proxy.drainHost(name);
  expect(await request(url + HANDSHAKE)).toMatchObject(REFUSED);
  expect(await request(pollUrl(url, sid), { method: 'POST', body: '2' })).toMatchObject({ status: 200 });
  proxy.undrainHost(hosts[1].name);
  expect(hostSid(await handshake(url))).toBe(hosts[1].sids.at(-1));
});

it('sends no handshake to a draining host that could not reach another', async () => {
  const [dead, draining, third] = await startMortalHosts(3) as [SessionHost, SessionHost, SessionHost];
  const { proxy, url } = await before([dead, draining, third], { checkInterval: 60_000, balance: 'round-robin' });
  proxy.drainHost(draining.name);
  await dead.stop();
  expect(hostSid(await handshake(url))).toBe(third.sids[0]);
  await third.stop();
  expect(await request(url + HANDSHAKE)).toMatchObject(REFUSED);
  expect(draining.sids).toEqual([]);
});

it('waits for a handshake that is under way, and for the session that it opens, however long its poll is held', async () => {
  const clock = stopClock();
  const host = await startSessionHost(100);
  const { proxy, url } = await before([host], { keyExpiry: 1, checkInterval: 3_600_000 });
  const told = drainedOf(proxy);
  host.holdsHandshakes = true;
  const [opening] = [handshake(url), await once(host, 'handshake')];
  proxy.drainHost(host.name);
  await nextTurn();
  host.answer();
  const sid = await opening;
  await until('the handshake is over', () => proxy.hosts[0]?.requests === 0);
  const [poll] = [request(pollUrl(url, sid)), await once(host, 'poll')];
  // Longer than its binding lives: what waits is not idle.
  await clock.advance(60_000);
  expect(told).toEqual([]);
  host.answer();
  await poll;
  await until('the poll is over', () => proxy.hosts[0]?.requests === 0);
  await clock.advance(999);
  expect([told, proxy.hosts[0]?.sessions]).toEqual([[], 1]);
  // The session has ended without a word, as those by polling do.
  await clock.advance(2001);
  expect([told, proxy.hosts[0]?.sessions]).toEqual([[host.name], 0]);
});

it('waits for a request of no session, which may yet open one', async () => {
  const { proxy, url } = await before([first]);
  const told = drainedOf(proxy);
  first.holdsHandshakes = true;
  const [preflight] = [request(url + HANDSHAKE, { method: 'OPTIONS' }), await once(first, 'handshake')];
  proxy.drainHost(first.name);
  await nextTurn();
  expect(told).toEqual([]);
  const drained = once(proxy, 'drained');
  first.answer();
  first.holdsHandshakes = false;
  await preflight;
  await drained;
});

it('waits for the last WebSocket', async () => {
  const { proxy, url } = await before([first]);
  const told = drainedOf(proxy);
  const sockets = [await openWebSocket(url), await openWebSocket(url)];
  proxy.drainHost(first.name);
  sockets[0]?.terminate();
  await until('one has ended', () => proxy.hosts[0]?.tunnels === 1);
  await nextTurn();
  expect(told).toEqual([]);
  const drained = once(proxy, 'drained');
  sockets[1]?.terminate();
  await drained;
});

it('goes on with health checks, and is told of a host whose sessions are lost with it', async () => {
  const [host] = await startMortalHosts(1) as [SessionHost];
  const { proxy, url } = await before([host]);
  await handshake(url);
  const told = drainedOf(proxy);
  proxy.drainHost(host.name);
  const down = once(proxy, 'down');
  host.health = 503;
  expect(await down).toEqual([host.name, 'failing', expect.any(String)]);
  expect(told).toEqual([]);
  const drained = once(proxy, 'drained');
  await host.stop();
  await drained;
  expect(proxy.hosts[0]).toMatchObject({ state: 'down', draining: true });
});
