import type Proxy from '../../src';
import { TestFleet } from '../support/fleet';
import { handshake, pollUrl, request } from '../support/http';
import { ModelFleet, ModelMember } from '../support/model-member';
import { startProxy, type ProxyInstance, type Started } from '../support/proxy';
import { before, openWebSocket, startSessionHosts, type SessionHost } from '../support/session-host';

const NAMES = ['a:1', 'b:1'];

describe('what the other members have of a host', () => {
  it('is told with each beat, and is gone with them', async () => {
    const world = new ModelFleet();
    const start = (id: string): ModelMember => new ModelMember(world, id, NAMES);
    const [one, other, third] = [start('one'), start('other'), start('third')];
    expect(one.hosts.shared).toBe(false);
    for (const sid of ['x', 'y']) one.know(sid);
    for (const sid of ['y', 'z']) other.know(sid);
    for (const sid of ['x', 'y', 'z', 'v']) third.know(sid, 1);
    Object.assign(third.host(1), { tunnels: 3, polls: 2 });
    third.hosts.report(third.host(0), 'refused');
    await world.pass(1500, other, third, one);
    expect(one.hosts.shared).toBe(true);
    expect(one.host().elsewhere).toEqual({ sessions: 1, known: 2, tunnels: 0, polls: 0, up: 1, down: 1 });
    expect(one.host(1).elsewhere).toEqual({ sessions: 4, known: 4, tunnels: 3, polls: 2, up: 2, down: 0 });
    expect([one.host().allSessions, one.host().part, one.host(1).part]).toEqual([3, 0.5, 0]);
    await world.pass(10_000, one);
    expect(one.host(1).elsewhere).toEqual({ sessions: 0, known: 0, tunnels: 0, polls: 0, up: 0, down: 0 });
    expect([one.hosts.shared, one.host().part]).toEqual([false, 1]);
  });

  it('has none of the sessions that a host lost', async () => {
    const world = new ModelFleet();
    const [one, other] = [new ModelMember(world, 'one', NAMES), new ModelMember(world, 'other', NAMES)];
    for (let i = 0; i < 5; i += 1) other.know(`old-${i}`);
    other.hosts.report(other.host(), 'refused');
    other.hosts.report(other.host(), undefined);
    other.know('new');
    await world.pass(1500, other, one);
    expect(one.host().elsewhere).toMatchObject({ sessions: 1, known: 1 });
  });
});

describe('the members of a fleet', () => {
  let hosts: SessionHost[];
  let fleet: TestFleet;

  beforeEach(async () => {
    hosts = await startSessionHosts(2);
    fleet = await TestFleet.start();
  });

  const start = (more: Partial<Proxy.PartialProxyOptions> = {}): Promise<Started> => before(hosts, { ...fleet.options, ...more });
  const fleetOf = ({ proxy }: { proxy: ProxyInstance }): unknown[] => proxy.hosts.map(({ fleet }) => fleet);

  it('count a session once, whichever of them it goes through', async () => {
    const [one, other] = [await start({ balance: 'round-robin' }), await start({ balance: 'round-robin' })];
    const sids = [];
    for (let i = 0; i < 6; i += 1) sids.push(await handshake(one.url));
    for (let i = 0; i < 2; i += 1) sids.push(await handshake(other.url));
    for (const sid of sids) await request(pollUrl(other.url, sid), { method: 'POST', body: '2' });
    await openWebSocket(other.url);
    const all = [
      { sessions: 5, tunnels: 1, polls: 0, up: 2, down: 0, draining: false, set: [] },
      { sessions: 4, tunnels: 0, polls: 0, up: 2, down: 0, draining: false, set: [] },
    ];
    for (const member of [one, other]) {
      await fleet.until('it knows all', [one, other], () => JSON.stringify(fleetOf(member)) === JSON.stringify(all));
    }
    expect(one.proxy.hosts.map(({ sessions }) => sessions)).toEqual([3, 3]);
    const [, { sessions } = { sessions: NaN }] = one.proxy.fleet.members;
    expect(sessions).toBe(9);
  });

  it('show who has set what for all, and what this one has set for itself alone', async () => {
    const [one, other] = [await start(), await start()];
    const [first = '', second = ''] = hosts.map(({ name }) => name);
    const settings = (proxy: ProxyInstance, at: number): unknown =>
      proxy.hosts[at]?.fleet?.set.map(({ what, by }) => [what, by === one.proxy.fleet.members[0]?.id]);
    one.proxy.drainHost(first);
    one.proxy.setWeight(first, 3);
    other.proxy.drainHost(second, { scope: 'proxy' });
    await fleet.until('the other knows', [other], () => JSON.stringify(settings(other.proxy, 0)) === '[["weight",true],["drain",true]]');
    expect(other.proxy.hosts.map(({ draining, fleet }) => [draining, fleet?.draining])).toEqual([[true, true], [true, false]]);
    expect(settings(other.proxy, 1)).toEqual([]);
    // By the clock of Redis, and not by that of a process that may have its own.
    const [{ at } = { at: new Date(0) }] = other.proxy.hosts[0]?.fleet?.set ?? [];
    expect(Math.abs(Number(at?.getTime()) - Number(other.proxy.fleet.revision))).toBeLessThan(60_000);
  });

  it('show where they differ about the health of a host', async () => {
    for (const host of hosts) host.health = 404;
    const one = await start();
    const names = hosts.map(({ name }) => name);
    const strict = await startProxy({ ...fleet.options, hosts: names, checkInterval: 20, checkStatus: '200-299' });
    await fleet.until('one sees it', [strict, one], () => one.proxy.hosts.every(({ fleet }) => fleet?.up === 1 && fleet.down === 1));
    expect([one, strict].map(({ proxy }) => proxy.hosts[0]?.state)).toEqual(['up', 'down']);
  });

  it('have no such counts without the option', async () => {
    const { proxy } = await start({ fleet: false });
    expect(fleetOf({ proxy })).toEqual([undefined, undefined]);
  });
});
