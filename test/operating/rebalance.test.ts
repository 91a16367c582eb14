import { once } from 'node:events';
import type { Moves } from '../../src/operating/moves';
import { stopClock, type Clock } from '../support/clock';
import { Crowd } from '../support/crowd';
import { mostWithin } from '../support/most-within';
import { startProxy, type ProxyInstance } from '../support/proxy';
import { before, openWebSocket, startSessionHosts, type SessionHost } from '../support/session-host';

const HOUR = 3_600_000;

let clock: Clock;

beforeEach(() => {
  clock = stopClock();
});

/** Hosts that have so many sessions, and one more, of this weight, that has none. */
function withOneEmpty(sessions: number, options: ConstructorParameters<typeof Crowd>[1] = {}, count = 3, weight = 1): Crowd {
  const crowd = new Crowd(Array.from({ length: count }, (_, i) => (i === count - 1 ? 0 : 1)), options);
  crowd.open(sessions);
  crowd.hosts.setWeight(nameOf(count - 1), weight);
  return crowd;
}

const nameOf = (host: number): string => `host-${host}:3000`;

/** Lets the rebalance that is under way end, and resolves with how many it has moved. */
async function rebalanced({ moves }: { moves: Moves }): Promise<number> {
  const over = once(moves, 'rebalanced');
  await clock.advanceUntil('it is over', () => !moves.isRunning, 1000);
  return (await over as [number])[0];
}

describe('rebalance', () => {
  it('moves as many sessions as needed to a host that is empty, about evenly, for ten minutes', async () => {
    const crowd = withOneEmpty(1800);
    const { moves } = crowd;
    const told: string[] = [];
    moves.on('rebalancing', () => told.push('rebalancing')).on('rebalanced', () => told.push('rebalanced'));
    expect(moves.status).toEqual({ running: false, moved: 0, toMove: 600, spread: 1 });
    const start = jest.now();
    moves.rebalance(60);
    expect(() => moves.rebalance(60)).toThrow(new Error('a rebalance is under way'));
    expect([moves.status.running, told]).toEqual([true, ['rebalancing']]);
    const moved = await rebalanced(crowd);
    // Each has its share, within 10 %. Some may be on their way when that can be seen.
    expect(Math.abs(moved - 540)).toBeLessThan(5);
    expect([crowd.counts[2], crowd.away]).toEqual([moved, 0]);
    expect(moves.status).toEqual({ running: false, moved, toMove: 0, spread: expect.closeTo(0.1) as number });
    expect(told).toEqual(['rebalancing', 'rebalanced']);
    expect(crowd.endedAt).toHaveLength(moved);
    expect(Math.abs(jest.now() - start - 540_000)).toBeLessThan(6000);
    expect(mostWithin(60_000, crowd.endedAt)).toBeLessThanOrEqual(63);
  });

  it('moves none any more when it is stopped, and then lets new sessions go as the option says again', async () => {
    const crowd = withOneEmpty(40);
    crowd.moves.rebalance(60);
    await clock.advance(10_000);
    await clock.advanceUntil('none is on its way', () => crowd.away === 0, 1);
    crowd.open();
    expect(crowd.counts[2]).toBe(crowd.endedAt.length + 1);
    const over = once(crowd.moves, 'rebalanced');
    for (let i = 0; i < 2; i += 1) crowd.moves.stopRebalance();
    const [moved] = await over as [number];
    expect([moved >= 8, moved <= 12]).toEqual([true, true]);
    await clock.advance(HOUR);
    expect(crowd.endedAt).toHaveLength(moved);
    const emptiest = crowd.counts[2] ?? NaN;
    crowd.open(3);
    expect(crowd.counts[2]).toBe(emptiest + 1);
  });

  it('moves to each host its share by weight', async () => {
    const crowd = withOneEmpty(3000, {}, 3, 2);
    crowd.hosts.setWeight(nameOf(0), 3);
    crowd.moves.rebalance(6000);
    const moved = await rebalanced(crowd);
    // Of 1500, 500 and 1000, and a tenth more or less.
    expect(moved).toBeLessThanOrEqual(1000);
    const surplus = [1500, 500, 1000].map((share, i) => ((crowd.counts[i] ?? NaN) - share) / share);
    expect(Math.max(...surplus.map(Math.abs))).toBeLessThanOrEqual(0.102);
  });

  it('ends only when those that were moved are back, where hosts seem to be even before', async () => {
    for (const returnTime of [600, 1600, 2600]) {
      const crowd = withOneEmpty(60, { returnTime });
      const found: [away: number, counts: number[]][] = [];
      crowd.moves.on('rebalanced', () => found.push([crowd.away, crowd.counts]));
      crowd.moves.rebalance(1200);
      const moved = await rebalanced(crowd);
      expect(found).toEqual([[0, crowd.counts]]);
      expect([crowd.counts[2], moved <= 20]).toEqual([moved, true]);
    }
  });

  it('ends though clients do not come back', async () => {
    const crowd = withOneEmpty(60, { returnTime: 24 * HOUR });
    crowd.moves.rebalance(60_000);
    const moved = await rebalanced(crowd);
    expect([moved > 20, moved <= 50]).toEqual([true, true]);
  });

  it('ends at once where there is nothing to do, and tells only that', async () => {
    const crowd = withOneEmpty(9, {}, 3, 0);
    let told = 0;
    crowd.moves.on('rebalancing', () => (told += 1));
    crowd.moves.rebalance(60);
    expect([await rebalanced(crowd), told]).toEqual([0, 0]);
  });

  it('ends where many hosts have few sessions, and none has one too many', async () => {
    // Of 18 on nine hosts and none on the tenth, its share is 1.8: it needs one.
    const crowd = withOneEmpty(18, {}, 10);
    expect(crowd.counts).toEqual([...Array.from({ length: 9 }, () => 2), 0]);
    crowd.moves.rebalance(600);
    expect(await rebalanced(crowd)).toBe(1);
    expect(crowd.counts.at(-1)).toBe(1);
  });

  it('moves no more than a host in its slow start takes', async () => {
    const crowd = withOneEmpty(400, { slowStart: 100_000 }, 2, 0);
    crowd.hosts.remove(nameOf(1));
    crowd.add(nameOf(1), 1);
    crowd.moves.rebalance(60_000);
    await clock.advance(5000);
    // A tenth of its weight to begin with, and by and by all of it.
    expect(Math.abs((crowd.counts[1] ?? NaN) - 400 * 0.145 / 1.145)).toBeLessThan(6);
    await clock.advance(45_000);
    expect(Math.abs((crowd.counts[1] ?? NaN) - 400 * 0.55 / 1.55)).toBeLessThan(6);
    expect(await rebalanced(crowd)).toBeLessThanOrEqual(220);
    expect(crowd.counts[1]).toBeGreaterThanOrEqual(180);
  });

  it('ends though a function sends all sessions back to the host that they come from', async () => {
    const crowd = withOneEmpty(12, { balance: (known) => known[0]?.host }, 2);
    expect(crowd.counts).toEqual([12, 0]);
    crowd.moves.rebalance(60_000);
    const moved = await rebalanced(crowd);
    expect([moved > 0, moved <= 22]).toEqual([true, true]);
    await clock.advance(20);
    expect(crowd.counts).toEqual([12, 0]);
  });

  it.each<[string, (crowd: Crowd, host: string) => void]>([
    ['is drained no more', ({ hosts }, host) => hosts.undrain(host)],
    ['is added again', (crowd, host) => {
      crowd.hosts.remove(host);
      crowd.add(host, 10);
    }],
  ])('goes on for as long as is needed when a host that is to have most sessions %s meanwhile', async (_, come) => {
    const crowd = withOneEmpty(80);
    crowd.hosts.drain(nameOf(2));
    crowd.hosts.setWeight(nameOf(2), 10);
    crowd.hosts.setWeight(nameOf(0), 2);
    crowd.moves.rebalance(1200);
    expect(crowd.moves.status.toMove).toBe(13);
    come(crowd, nameOf(2));
    await rebalanced(crowd);
    // Of 80: 12, 6 and 62, and a tenth more or less.
    expect(crowd.counts[2]).toBeGreaterThanOrEqual(55);
  });
});

describe('a proxy', () => {
  let hosts: [SessionHost, SessionHost];

  beforeAll(async () => {
    hosts = await startSessionHosts(2) as typeof hosts;
  });

  /** Before both hosts, the second of which drains, with WebSockets that come back. */
  async function withOneDraining(rebalance?: { perMinute: number }): Promise<{ proxy: ProxyInstance; cuts: () => number }> {
    const { proxy, url } = await before(hosts, { checkInterval: HOUR, drainTimeout: HOUR, ...(rebalance ? { rebalance } : {}) });
    proxy.drainHost(hosts[1].name);
    let cuts = 0;
    const open = async (): Promise<void> => {
      const socket = await openWebSocket(url);
      socket.once('close', () => {
        cuts += 1;
        open().catch(() => {});
      });
    };
    for (let i = 0; i < 10; i += 1) await open();
    return { proxy, cuts: () => cuts };
  }

  const sessionsOf = (proxy: ProxyInstance): number[] => proxy.hosts.map(({ sessions }) => sessions);

  it('rebalances when it is told to, until it closes', async () => {
    const { proxy, cuts } = await withOneDraining();
    proxy.undrainHost(hosts[1].name);
    await clock.advance(60_000);
    expect(cuts()).toBe(0);
    const told: string[] = [];
    for (const event of ['rebalancing', 'closing', 'rebalanced'] as const) proxy.on(event, () => told.push(event));
    proxy.rebalance();
    // As its pauses differ at random, it may be two at once.
    await clock.advanceUntil('one has come back', () => (sessionsOf(proxy)[1] ?? 0) > 0);
    const closed = proxy.close();
    await once(proxy, 'rebalanced');
    expect(told).toEqual(['rebalancing', 'closing', 'rebalanced']);
    expect(() => proxy.rebalance()).toThrow(new Error('the proxy is closing'));
    const { moved } = proxy.rebalanceStatus;
    expect([1, 2]).toContain(moved);
    await clock.advance(60_000);
    expect([cuts(), proxy.rebalanceStatus]).toEqual([moved, expect.objectContaining({ moved, running: false })]);
    await clock.advance(HOUR);
    await closed;
  });

  it.each<[string, (proxy: ProxyInstance, host: string) => void]>([
    ['is drained no more', (proxy, host) => proxy.undrainHost(host)],
    ['has come up', (proxy, host) => {
      proxy.removeHost(host);
      proxy.addHost(host);
    }],
  ])('rebalances by itself, where the option says so, when a host %s', async (_, come) => {
    const { proxy, cuts } = await withOneDraining({ perMinute: 60 });
    await clock.advance(60_000);
    expect([proxy.rebalanceStatus.running, cuts()]).toEqual([false, 0]);
    const over = once(proxy, 'rebalanced');
    come(proxy, hosts[1].name);
    await clock.advanceUntil('it is over', () => cuts() > 0 && !proxy.rebalanceStatus.running, 50);
    const moved = cuts();
    expect([4, 5]).toContain(moved);
    expect([await over, sessionsOf(proxy)]).toEqual([[moved], [10 - moved, moved]]);
  });

  it('refuses options that it does not know', async () => {
    const { proxy } = await before(hosts);
    for (const [options, message] of [
      [{ perMinute: 0 }, "'perMinute' must be a number from 0.01 to 600000, received 0"],
      [{ perMinute: '60' }, "'perMinute' must be a number from 0.01 to 600000, received '60'"],
      [{ perSecond: 1 }, "'perSecond' is not an option; expected perMinute, scope"],
      [{ scope: 'all' }, "'scope' must be 'fleet' or 'proxy', received 'all'"],
      [5, "'options' must be an object, received 5"],
    ] as const) expect(() => proxy.rebalance(options as object)).toThrow(new TypeError(message));
    for (const [rebalance, message] of [
      [{}, "'rebalance.perMinute' must be a number from 0.01 to 600000, received undefined"],
      [{ perMinute: 0 }, "'rebalance.perMinute' must be a number from 0.01 to 600000, received 0"],
      [{ perMinute: 1, perSecond: 1 }, "'rebalance.perSecond' is not an option; expected perMinute"],
      [60, "'rebalance' must be an object, received 60"],
      [null, "'rebalance' must be an object, received null"],
    ]) {
      const starting = startProxy({ hosts: ['localhost:1'], rebalance: rebalance as never });
      await expect(starting).rejects.toThrow(new TypeError(message as string));
    }
  });
});
