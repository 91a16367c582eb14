import { once } from 'node:events';
import { stopClock, type Clock } from '../support/clock';
import { Crowd } from '../support/crowd';
import { handshake, pollUrl, request } from '../support/http';
import { mostWithin } from '../support/most-within';
import { before, openWebSocket, startSessionHosts, type SessionHost } from '../support/session-host';
import { hostSid, ownStore } from '../support/stores';
import { until } from '../support/until';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let clock: Clock;

beforeEach(() => {
  clock = stopClock();
});

/** A host with so many sessions that begins to drain, beside one that is empty. */
function draining(sessions: number, deadline: number, movesPerSecond: number): Crowd {
  const crowd = new Crowd([1, 0]);
  crowd.open(sessions);
  const [first, second] = crowd.all;
  crowd.hosts.setWeight(second?.name ?? '', 1);
  crowd.hosts.drain(first?.name ?? '');
  if (first) crowd.moves.drain(first, { deadline, movesPerSecond, alone: false });
  return crowd;
}

describe('a host that drains, once its deadline has passed,', () => {
  it.each([[0.2, 120], [5, 600], [100, 12_000]])('has %p of its sessions moved a second, at times that differ', async (rate, sessions) => {
    const crowd = draining(sessions, 10 * MINUTE, rate);
    await clock.advance(10 * MINUTE - 1);
    expect(crowd.endedAt).toEqual([]);
    const start = jest.now();
    const drained = once(crowd.hosts, 'drained');
    const [took, most] = [sessions / rate * 1000, Math.max(2000 / rate, 200)];
    await clock.advance(took + most);
    await drained;
    expect(crowd.counts).toEqual([0, sessions]);
    expect(Math.abs((crowd.endedAt.at(-1) ?? NaN) - start - took)).toBeLessThan(most);
    // Pauses are half as long again at the most: what is due after one is all that is done at once.
    const tick = Math.max(50, 1000 / rate);
    expect(mostWithin(20 * tick, crowd.endedAt)).toBeLessThanOrEqual(Math.ceil(rate * (20 + 3) * tick / 1000));
    const times = [...new Set(crowd.endedAt)];
    const gaps = times.slice(1).map((at, i) => (at - (times[i] ?? NaN)) / tick);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0.48);
    expect(Math.min(...gaps)).toBeLessThan(0.7);
    expect(Math.max(...gaps)).toBeGreaterThan(1.3);
  });

  it.each<[string, (crowd: Crowd, name: string) => void]>([
    ['is drained no more', ({ hosts }, name) => hosts.undrain(name)],
    ['is removed, and added again', (crowd, name) => {
      const { sessions } = crowd.hosts.named(name);
      crowd.hosts.remove(name);
      crowd.add(name, 1);
      crowd.hosts.named(name).sessions = sessions;
    }],
    ['is a proxy\'s that closes', ({ moves, all: [first] }) => {
      moves.stop();
      if (first) moves.drain(first, { deadline: 0, movesPerSecond: 100, alone: false });
    }],
  ])('keeps what it has when it %s: before the deadline, or after', async (_, end) => {
    for (const [ms, least, most] of [[MINUTE - 1, 0, 0], [MINUTE + 2000, 10, 30]] as const) {
      const crowd = draining(100, MINUTE, 10);
      await clock.advance(ms);
      end(crowd, 'host-0:3000');
      const { length: moved } = crowd.endedAt;
      expect([moved >= least, moved <= most]).toEqual([true, true]);
      await clock.advance(HOUR);
      expect(crowd.endedAt).toHaveLength(moved);
    }
  });

  it('has no more of them moved a second when many have ended by themselves, or others come later', async () => {
    const crowd = draining(60, 0, 10);
    const [host = NaN] = crowd.all;
    if (typeof host === 'number') throw new Error('no host');
    await clock.advanceUntil('one was moved', () => crowd.endedAt.length > 0);
    host.sessions = 5;
    expect(await clock.advanceUntil('all were moved', () => host.sessions === 0)).toBeGreaterThan(300);
    await clock.advance(HOUR);
    // Another proxy has them, and lets them come here.
    host.sessions = 5;
    const took = await clock.advanceUntil('all were moved', () => host.sessions === 0);
    expect([took > 200, took < 2000]).toEqual([true, true]);
  });
});

describe('drainHost with a deadline', () => {
  let hosts: [SessionHost, SessionHost];

  beforeAll(async () => {
    hosts = await startSessionHosts(2) as typeof hosts;
  });

  it('moves sessions by polling and by WebSocket, and one that another proxy brings when the host was empty', async () => {
    const store = ownStore();
    const options = { store, checkInterval: HOUR };
    const [{ proxy, url }, other] = [await before(hosts, options), await before(hosts, options)];
    const [first, second] = hosts;
    for (const each of [proxy, other.proxy]) each.setWeight(second.name, 0);
    const sid = await handshake(url);
    const closed = once(await openWebSocket(url), 'close');
    proxy.setWeight(second.name, 1);
    const drained = once(proxy, 'drained');
    proxy.drainHost(first.name, { deadline: 500, movesPerSecond: 20 });
    await clock.advance(499);
    expect(proxy.hosts[0]).toMatchObject({ sessions: 2, drain: { movesIn: 0.001, movesPerSecond: 20 } });
    await clock.advanceUntil('both were moved', () => proxy.hosts[0]?.sessions === 0);
    await Promise.all([drained, closed]);
    expect(await proxy.findSession(sid)).toBe('ended');
    expect(second.sids).toContain(hostSid(await handshake(url)));
    expect(proxy.hosts[0]).toMatchObject({ draining: true, sessions: 0, drain: { movesIn: 0, movesPerSecond: 20 } });
    expect((await proxy.parts.operations.totals()).hosts[first.name]?.moved).toBe(2);

    const late = await handshake(other.url);
    expect(await request(pollUrl(url, late), { method: 'POST', body: '2' })).toMatchObject({ status: 200 });
    await clock.advanceUntil('it is moved', async () => await proxy.findSession(late) === 'ended');
  });

  it('tells how it stands, and keeps its deadline until it is given another', async () => {
    const [{ name }] = hosts;
    const { proxy } = await before([hosts[0]], { checkInterval: HOUR });
    const drain = (): unknown => proxy.hosts[0]?.drain;
    expect(drain()).toBeUndefined();
    proxy.drainHost(name, { deadline: 100_000 });
    expect(drain()).toEqual({ movesIn: 100, movesPerSecond: 5 });
    await clock.advance(30_000);
    proxy.drainHost(name, { movesPerSecond: 7 });
    expect(drain()).toEqual({ movesIn: 70, movesPerSecond: 5 });
    proxy.drainHost(name, { deadline: 50_000, movesPerSecond: 0.5 });
    expect(drain()).toEqual({ movesIn: 50, movesPerSecond: 0.5 });
    proxy.undrainHost(name);
    expect(drain()).toBeUndefined();
    proxy.drainHost(name, { movesPerSecond: 7 });
    expect(drain()).toEqual({ movesIn: undefined, movesPerSecond: 7 });
  });

  it('moves nothing any more when the proxy is closed', async () => {
    const { proxy, url } = await before([hosts[0]], { drainTimeout: HOUR, checkInterval: HOUR });
    const socket = await openWebSocket(url);
    proxy.drainHost(hosts[0].name, { deadline: 300 });
    const closed = proxy.close();
    await clock.advance(MINUTE);
    await until('it is still there', () => proxy.hosts[0]?.sessions === 1);
    socket.terminate();
    await closed;
  });

  it('refuses options that it does not know, and does not drain', async () => {
    const { proxy } = await before([hosts[0]]);
    for (const [options, message] of [
      [{ deadline: -1 }, "'deadline' must be a number from 0 to 2147483647, received -1"],
      [{ deadline: '5' }, "'deadline' must be a number from 0 to 2147483647, received '5'"],
      [{ deadline: null }, "'deadline' must be a number from 0 to 2147483647, received null"],
      [{ movesPerSecond: 0 }, "'movesPerSecond' must be a number from 0.001 to 10000, received 0"],
      [{ movesPerSecond: NaN }, "'movesPerSecond' must be a number from 0.001 to 10000, received NaN"],
      [{ deadLine: 5 }, "'deadLine' is not an option; expected deadline, movesPerSecond, scope"],
      [null, "'options' must be an object, received null"],
    ] as const) {
      expect(() => proxy.drainHost(hosts[0].name, options as object)).toThrow(new TypeError(message));
    }
    expect(proxy.hosts[0]?.draining).toBe(false);
  });
});
