import { once } from 'node:events';
import { stopClock } from '../support/clock';
import { Crowd } from '../support/crowd';
import { TestFleet } from '../support/fleet';
import { requestsOf } from '../support/handshakes';
import { handshake } from '../support/http';
import type { ProxyInstance, Started } from '../support/proxy';
import { before, startSessionHosts, type SessionHost } from '../support/session-host';

/** Lets the others have so many sessions on each host of a crowd, all of which only they know. */
function othersHave(crowd: Crowd, ...counts: number[]): void {
  crowd.hosts.shared = true;
  for (const [at, host] of crowd.all.entries()) {
    const sessions = counts[at] ?? 0;
    host.elsewhere = { sessions, known: sessions, tunnels: 0, polls: 0, up: 1, down: 0 };
  }
}

describe('of the sessions that a fleet moves', () => {
  it.each([
    ['its part', false, 60], ['all, where it drains the host alone,', true, 240],
  ])('a proxy moves %s at the pace of all', async (_, alone, expected) => {
    const clock = stopClock();
    const crowd = new Crowd([1, 0]);
    crowd.open(1000);
    const [first, second] = crowd.all as [Crowd['all'][0], Crowd['all'][0]];
    othersHave(crowd, 3000);
    crowd.hosts.setWeight(second.name, 1);
    crowd.hosts.drain(first.name);
    crowd.moves.drain(first, { deadline: 0, movesPerSecond: 4, alone });
    await clock.advance(60_000);
    expect(Math.abs(crowd.endedAt.length - expected)).toBeLessThan(expected / 6);
    await clock.advance(60_000);
    expect(Math.abs(crowd.endedAt.length - 2 * expected)).toBeLessThan(expected / 6);
  });

  it('a proxy moves none of a host that only others have sessions on', async () => {
    const clock = stopClock();
    const crowd = new Crowd([1, 1]);
    crowd.open(10);
    othersHave(crowd, 0, 100);
    crowd.moves.rebalance(60);
    const [, second] = crowd.all as [Crowd['all'][0], Crowd['all'][0]];
    second.sessions = 0;
    await clock.advance(30_000);
    expect(crowd.endedAt).toEqual([]);
    crowd.moves.stopRebalance();
  });
});

describe('a rebalance goes by what all members have', () => {
  it('where this proxy alone would see even hosts', async () => {
    const clock = stopClock();
    const crowd = new Crowd([1, 1]);
    crowd.open(100);
    othersHave(crowd, 100, 0);
    expect(crowd.moves.status).toMatchObject({ toMove: 50, spread: 0.5 });
    crowd.moves.rebalance(60);
    await clock.advance(30_000);
    // A third of the sessions on the fullest host are known here.
    expect(Math.abs(crowd.endedAt.length - 10)).toBeLessThan(5);
    crowd.moves.stopRebalance();
  });

  it('where this proxy alone would see uneven ones', () => {
    const crowd = new Crowd([1, 0]);
    crowd.open(100);
    crowd.hosts.setWeight(crowd.all[1]?.name ?? '', 1);
    expect(crowd.moves.isUneven).toBe(true);
    othersHave(crowd, 0, 100);
    expect(crowd.moves.isUneven).toBe(false);
  });
});

describe('new sessions, by least connections,', () => {
  const [request] = requestsOf(1);
  const picksOf = ({ hosts }: Crowd, count: number): number[] => {
    const picks = Array.from({ length: count }, () => (request ? hosts.pick(request, true)?.name : undefined));
    return hosts.all.map(({ name }) => picks.filter((picked) => picked === name).length);
  };

  it('go by what all members have', () => {
    const crowd = new Crowd([1, 1], { balance: 'least-connections' });
    othersHave(crowd, 5, 0);
    crowd.hosts.shared = false;
    expect(picksOf(crowd, 20)).toEqual([0, 20]);
  });

  it('do not all go to the host that looked emptiest to every member', () => {
    const crowd = new Crowd([1, 1, 1, 1], { balance: 'least-connections' });
    othersHave(crowd, 9, 9, 9, 0);
    const picks = picksOf(crowd, 4000);
    // 7 of 16: the chance to be one of two that are chosen at random.
    expect(Math.abs((picks[3] ?? 0) / 4000 - 7 / 16)).toBeLessThan(0.05);
    othersHave(crowd, 9, 0, 9, 9);
    crowd.hosts.setWeight(crowd.all[0]?.name ?? '', 0);
    expect(picksOf(crowd, 100)[0]).toBe(0);
  });

  it('go to the emptiest during a rebalance', () => {
    const crowd = new Crowd([1, 1, 1]);
    othersHave(crowd, 9, 9, 0);
    crowd.hosts.levelling = true;
    expect(picksOf(crowd, 20)).toEqual([0, 0, 20]);
  });
});

describe('the members of a fleet', () => {
  let hosts: SessionHost[];
  let fleet: TestFleet;

  beforeEach(async () => {
    hosts = await startSessionHosts(2);
    fleet = await TestFleet.start();
  });

  const start = (): Promise<Started> => before(hosts, { ...fleet.options, balance: 'round-robin' });

  /** Two that know each other, with this many sessions each, all on the first host. */
  async function startUneven(sessions: number): Promise<[ProxyInstance, ProxyInstance]> {
    const members = [await start(), await start()];
    const [one, other] = members.map(({ proxy }) => proxy) as [ProxyInstance, ProxyInstance];
    const [, second] = hosts as [SessionHost, SessionHost];
    one.setWeight(second.name, 0);
    await fleet.until('both know', [one, other], () => [one, other].every((proxy) => proxy.hosts[1]?.weight === 0));
    for (const { url } of members) for (let i = 0; i < sessions; i += 1) await handshake(url);
    await fleet.until('each knows all', [one, other], () => (
      [one, other].every((proxy) => proxy.hosts[0]?.fleet?.sessions === 2 * sessions)
    ));
    one.setWeight(second.name, 1);
    await fleet.until('both know', [one, other], () => [one, other].every((proxy) => proxy.hosts[1]?.weight === 1));
    return [one, other];
  }

  it('all take part in a rebalance, and stop it for each other', async () => {
    const [one, other] = await startUneven(20);
    const moved = [0, 0];
    const [begun, ended] = [once(other, 'rebalancing'), [one, other].map((proxy) => once(proxy, 'rebalanced'))];
    one.rebalance({ perMinute: 600 });
    await fleet.hear(begun, other);
    expect(() => other.rebalance()).toThrow('a rebalance is under way');
    await fleet.until('both move', [one, other], () => [one, other].every(({ rebalanceStatus }) => rebalanceStatus.moved > 0));
    other.stopRebalance();
    for (const [at, each] of ended.entries()) [moved[at]] = await fleet.hear(each, one, other) as [number];
    expect(Math.min(...moved)).toBeGreaterThan(0);
    expect([one, other].map(({ rebalanceStatus }) => rebalanceStatus.running)).toEqual([false, false]);
  });

  it('keep the last pace that was told', async () => {
    const [one, other] = await startUneven(20);
    one.rebalance({ perMinute: 0.01 });
    await fleet.until('both take part', [one, other], () => [one, other].every(({ rebalanceStatus }) => rebalanceStatus.running));
    const ended = once(one, 'rebalanced');
    one.stopRebalance();
    await ended;
    // Within one beat.
    one.rebalance({ perMinute: 600 });
    await fleet.until('both move', [one, other], () => [one, other].every(({ rebalanceStatus }) => rebalanceStatus.moved > 0));
    one.stopRebalance();
    await fleet.until('both have stopped', [one, other], () => [one, other].every(({ rebalanceStatus }) => !rebalanceStatus.running));
  });

  it('take no part in that of a proxy alone', async () => {
    const [one, other] = await startUneven(10);
    one.rebalance({ perMinute: 0.01, scope: 'proxy' });
    one.setWeight(hosts[1]?.name ?? '', 2);
    await fleet.until('the other knows what came later', [one, other], () => other.hosts[1]?.weight === 2);
    expect([one, other].map(({ rebalanceStatus }) => rebalanceStatus.running)).toEqual([true, false]);
    other.stopRebalance({ scope: 'proxy' });
    other.setWeight(hosts[1]?.name ?? '', 3);
    await fleet.until('the first knows what came later', [one, other], () => one.hosts[1]?.weight === 3);
    expect(one.rebalanceStatus.running).toBe(true);
    other.stopRebalance();
    await fleet.hear(once(one, 'rebalanced'), one);
  });

  it('begin none where one has ended', async () => {
    const [one, other] = await startUneven(1);
    const told: string[] = [];
    other.on('rebalancing', () => told.push('rebalancing'));
    const ended = once(one, 'rebalanced');
    one.rebalance();
    expect(await ended).toEqual([0]);
    one.setWeight(hosts[1]?.name ?? '', 5);
    await fleet.until('the other knows what came later', [one, other], () => other.hosts[1]?.weight === 5);
    expect(told).toEqual([]);
  });
});
