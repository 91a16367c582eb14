import type Proxy from '../../src';
import { operatedBefore, startOperated, type Operated } from '../support/admin';
import { TestFleet } from '../support/fleet';
import { handshake } from '../support/http';
import { startSessionHosts, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

interface RolloutJson {
  old: string[];
  new: string[];
  atLeast: number;
  waiting: string[];
  waitingFor: { host: string; members: string[] }[];
  draining: boolean;
}

/** The host that is there, and two that are to replace it. */
let old: SessionHost;
let first: SessionHost;
let second: SessionHost;
let fleet: TestFleet;
let options: Partial<Proxy.PartialProxyOptions>;
/** Members beat while something is awaited, and not by themselves alone. */
let isHurried: boolean;

beforeEach(async () => {
  [old, first, second] = await startSessionHosts(3) as [SessionHost, SessionHost, SessionHost];
  for (const host of [old, first, second]) host.health = 200;
  fleet = await TestFleet.start();
  options = fleet.options;
  isHurried = true;
});

const namesOf = (...hosts: SessionHost[]): string[] => hosts.map(({ name }) => name);

/** A member that has looked what the fleet has set, if there is one. Its hosts may be up sooner. */
async function startMember(more: Partial<Proxy.PartialProxyOptions> = {}): Promise<Operated> {
  const operated = await operatedBefore([old], { ...options, ...more });
  const { proxy } = operated;
  await until('it has looked', () => !proxy.fleet.enabled || proxy.fleet.members.length > 0);
  return operated;
}

/** Sees a host down that answers 404, which is up for the others. */
const startStrictMember = (): Promise<Operated> => startMember({ checkStatus: '200-299' });

async function startTwo(): Promise<[Operated, Operated]> {
  const [one, other] = [await startMember(), await startStrictMember()];
  await follow('they know each other', [one, other], () => [one, other].every(({ proxy }) => proxy.fleet.members.length === 2));
  return [one, other];
}

async function roll({ ask }: Operated, body: unknown): Promise<RolloutJson> {
  const reply = await ask('POST /api/rollout', body);
  expect(reply.status).toBe(202);
  return reply.json() as RolloutJson;
}

const rolloutOf = async ({ ask }: Operated): Promise<RolloutJson | null> =>
  (await ask('GET /api/rollout')).json() as RolloutJson | null;

const reportOf = ({ proxy }: Operated, { name }: SessionHost): Proxy['hosts'][number] | undefined =>
  proxy.hosts.find(({ host }) => host === name);

const isDrainingAt = (host: SessionHost, ...all: Operated[]): boolean => all.every((each) => reportOf(each, host)?.draining);

/** Waits for what follows from what members tell each other. */
const follow = (what: string, all: Operated[], condition: () => unknown): Promise<unknown> =>
  (isHurried ? fleet.until(what, all, condition) : until(what, condition));

/** Resolves when all have these hosts and no others, and no rollout is left. */
async function over(hosts: SessionHost[], ...all: Operated[]): Promise<void> {
  const expected = JSON.stringify(namesOf(...hosts).sort());
  for (const each of all) {
    await follow('the hosts are replaced', all, () => JSON.stringify(each.proxy.hosts.map(({ host }) => host).sort()) === expected);
    await follow('the rollout is over', all, async () => await rolloutOf(each) === null);
  }
  expect(all.flatMap(({ proxy }) => proxy.hosts.filter(({ draining }) => draining))).toEqual([]);
}

describe('a rollout', () => {
  it('drains the old hosts once the new ones are up at all members, and removes them once they are drained', async () => {
    isHurried = false;
    second.health = 404;
    const [one, other] = await startTwo();
    const sid = await handshake(other.url);
    const ids = one.proxy.fleet.members.map(({ id }) => id);
    expect(await roll(one, { hosts: namesOf(first, second) })).toEqual({
      old: [old.name], new: namesOf(first, second), atLeast: 2, waiting: namesOf(first, second),
      waitingFor: namesOf(first, second).map((host) => ({ host, members: ids })), draining: false,
    });
    for (const each of [one, other]) {
      await until('they wait for one', async () => JSON.stringify((await rolloutOf(each))?.waiting) === JSON.stringify([second.name]));
    }
    await until('the one sees it up', () => reportOf(one, second)?.state === 'up');
    await until('the other sees it down', () => reportOf(other, second)?.state === 'down');
    await until('the one knows', () => reportOf(one, second)?.fleet?.down === 1);
    await until('the other knows', () => reportOf(other, second)?.fleet?.up === 1);
    for (const each of [one, other]) {
      expect(await rolloutOf(each)).toMatchObject({ waiting: [second.name], draining: false });
      expect(reportOf(each, old)).toMatchObject({ draining: false });
    }

    second.health = 200;
    await until('the old one drains', () => isDrainingAt(old, one, other));
    expect(await rolloutOf(one)).toMatchObject({ old: [old.name], waiting: [], waitingFor: [], draining: true });
    expect(old.sids).toEqual([sid]);
    const sids = [];
    for (let i = 0; i < 8; i += 1) sids.push(await handshake(i % 2 ? one.url : other.url));
    expect(old.sids).toEqual([sid]);
    expect([...first.sids, ...second.sids].sort()).toEqual(sids.sort());

    await other.proxy.endSession(sid);
    await over([first, second], one, other);
  });

  it('waits for as many new hosts as it is told', async () => {
    const [one, other] = await startTwo();
    const missing = '127.0.0.1:1';
    expect(await roll(one, { hosts: [first.name, missing], atLeast: 1 })).toMatchObject({ atLeast: 1 });
    for (const each of [one, other]) {
      await follow('it is over', [one, other], async () => await rolloutOf(each) === null && !reportOf(each, old));
      expect(each.proxy.hosts).toHaveLength(2);
      expect([reportOf(each, first)?.state, each.proxy.hosts.find(({ host }) => host === missing)?.state]).toEqual(['up', 'down']);
    }
  });

  it('without new hosts lets those replace all that come later, and leaves the old ones where they are', async () => {
    const [one, other] = await startTwo();
    const sid = await handshake(one.url);
    expect(await roll(one, {})).toEqual({
      old: [old.name], new: [], atLeast: 1, waiting: [], waitingFor: [], draining: false,
    });
    await follow('the other knows', [one, other], async () => await rolloutOf(other) !== null);
    other.proxy.addHost(first.name);
    await follow('the old one drains', [one, other], () => isDrainingAt(old, one, other));
    expect(await rolloutOf(one)).toMatchObject({ new: [first.name], draining: true });
    await one.proxy.endSession(sid);
    for (const each of [one, other]) await follow('it is over', [one, other], async () => await rolloutOf(each) === null);
    for (const { proxy } of [one, other]) {
      expect(proxy.hosts.map(({ host, draining }) => [host, draining])).toEqual([[old.name, true], [first.name, false]]);
    }
  });

  it('is rolled back by one to the old hosts', async () => {
    const [one, other] = await startTwo();
    const sid = await handshake(one.url);
    await roll(one, { hosts: [first.name] });
    await follow('the old one drains', [one, other], () => isDrainingAt(old, one, other));
    const newer = await handshake(other.url);
    expect(await roll(other, { hosts: [old.name] })).toMatchObject({ old: [first.name], new: [old.name] });
    await follow('the new one drains', [one, other], () => isDrainingAt(first, one, other));
    await follow('the old one is back', [one, other], () => [one, other].every((each) => reportOf(each, old)?.draining === false));
    await handshake(one.url);
    expect([old.sids.length, first.sids]).toEqual([2, [newer]]);
    await other.proxy.endSession(newer);
    await over([old], one, other);
    expect(await one.proxy.findSession(sid)).toMatchObject({ host: old.name });
  });

  it('is stopped: old hosts get new sessions again, and new ones stay', async () => {
    const [one, other] = await startTwo();
    await handshake(one.url);
    await roll(one, { hosts: [first.name] });
    await follow('the old one drains', [one, other], () => isDrainingAt(old, one, other));
    expect((await other.ask('DELETE /api/rollout')).status).toBe(204);
    expect(reportOf(other, old)?.draining).toBe(false);
    await over([old, first], one, other);
  });

  it('goes on when the member that was told has gone before the new hosts are up', async () => {
    first.health = 404;
    const [one, other] = [await startStrictMember(), await startStrictMember()];
    await fleet.together(one, other);
    await roll(one, { hosts: [first.name] });
    await follow('the other waits for it', [one, other], () => reportOf(other, first)?.state === 'down');
    await one.proxy.close();
    expect(await rolloutOf(other)).toMatchObject({ waiting: [first.name], draining: false });
    first.health = 200;
    await over([first], other);
  });

  it('waits for a member that starts in between, which follows it', async () => {
    first.health = 404;
    const [one, other] = [await startStrictMember(), await startStrictMember()];
    await fleet.together(one, other);
    const sid = await handshake(one.url);
    await roll(one, { hosts: [first.name] });
    await follow('the other waits for it', [one, other], () => reportOf(other, first)?.state === 'down');
    const late = await startOperated({ hosts: [old.name], ...options, checkInterval: 20, checkStatus: '201' });
    await fleet.together(one, other, late);
    expect(await rolloutOf(late)).toMatchObject({ old: [old.name], waiting: [first.name], draining: false });
    // Down for the late one alone.
    first.health = 200;
    await follow('the others see it up', [one, other, late], () => [one, other].every((each) => reportOf(each, first)?.state === 'up'));
    await follow('all know', [one, other, late], () => [one, other].every((each) => reportOf(each, first)?.fleet?.down === 1));
    expect(isDrainingAt(old, one) || isDrainingAt(old, other)).toBe(false);
    first.health = 201;
    await follow('all drain the old one', [one, other, late], () => isDrainingAt(old, one, other, late));
    const later = await startMember();
    expect(reportOf(later, old)?.draining).toBe(true);
    await one.proxy.endSession(sid);
    await over([first], one, other, late, later);
  });

  it('is replaced by another one', async () => {
    second.health = 404;
    const [one, other] = await startTwo();
    const sid = await handshake(one.url);
    await roll(one, { hosts: [second.name] });
    await follow('the other waits', [one, other], () => reportOf(other, second)?.state === 'down');
    expect(await roll(other, { hosts: [first.name] })).toMatchObject({ old: namesOf(old, second), new: [first.name] });
    await follow('the old one drains', [one, other], () => isDrainingAt(old, one, other));
    await one.proxy.endSession(sid);
    await over([first], one, other);
  });
});

describe('without a fleet', () => {
  beforeEach(() => {
    options = { checkStatus: '200-299' };
    isHurried = false;
  });

  it('a rollout works the same', async () => {
    first.health = 404;
    const alone = await startMember();
    const sid = await handshake(alone.url);
    expect(await roll(alone, { hosts: [first.name] })).toMatchObject({ old: [old.name], waiting: [first.name] });
    await until('it is down', () => reportOf(alone, first)?.state === 'down');
    expect(reportOf(alone, old)?.draining).toBe(false);
    first.health = 200;
    await until('the old one drains', () => isDrainingAt(old, alone));
    expect(await rolloutOf(alone)).toMatchObject({ waiting: [], draining: true });
    await handshake(alone.url);
    expect([old.sids, first.sids.length]).toEqual([[sid], 1]);
    await alone.ask('DELETE /api/rollout');
    await over([old, first], alone);
    await roll(alone, { hosts: [first.name] });
    await alone.proxy.endSession(sid);
    await over([first], alone);
  });

  it.each<[how: string, close: (proxy: Proxy, host: string) => void, open: (proxy: Proxy, host: string) => void]>([
    ['its weight', (proxy, host) => proxy.setWeight(host, 0), (proxy, host) => proxy.setWeight(host, 1)],
    ['the end of its drain', (proxy, host) => proxy.drainHost(host), (proxy, host) => proxy.undrainHost(host)],
  ])('a rollout goes on where the new host takes sessions by %s', async (_, close, open) => {
    const alone = await startMember();
    await roll(alone, { hosts: [{ host: first.name, weight: 1 }] });
    close(alone.proxy, first.name);
    await until('it is up', () => reportOf(alone, first)?.state === 'up');
    expect(await rolloutOf(alone)).toMatchObject({ waiting: [first.name], draining: false });
    open(alone.proxy, first.name);
    await over([first], alone);
  });

  it('it is over at once where nothing is to be replaced, or all is drained', async () => {
    const alone = await startMember();
    await roll(alone, { hosts: [old.name] });
    await over([old], alone);
    alone.proxy.drainHost(old.name);
    await until('it is drained', () => reportOf(alone, old)?.drained);
    await roll(alone, { hosts: [first.name] });
    await over([first], alone);
  });

  it.each<[what: string, body: unknown]>([
    ['no host', { hosts: [] }],
    ['no list', { hosts: null }],
    ['a malformed host', { hosts: ['127.0.0.1:2', 'nowhere'] }],
    ['a host twice', { hosts: ['127.0.0.1:2', 'http://127.0.0.1:2'] }],
    ['a malformed weight', { hosts: [{ host: '127.0.0.1:2', weight: -1 }] }],
    ['more than all', { hosts: ['127.0.0.1:2'], atLeast: 2 }],
    ['none at all', { hosts: ['127.0.0.1:2'], atLeast: 0 }],
    ['a malformed deadline', { hosts: ['127.0.0.1:2'], deadline: -1 }],
    ['no deadline', { hosts: ['127.0.0.1:2'], deadline: null }],
    ['a malformed pace', { hosts: ['127.0.0.1:2'], movesPerSecond: 0 }],
    ['an unknown option', { hosts: ['127.0.0.1:2'], more: 1 }],
  ])('bad input changes nothing: %s', async (_, body) => {
    first.health = 404;
    const alone = await startMember();
    await roll(alone, { hosts: [first.name] });
    await until('it is down', () => reportOf(alone, first)?.state === 'down');
    const before = [alone.proxy.hosts.map(({ host }) => host), await rolloutOf(alone)];
    const reply = await alone.ask('POST /api/rollout', body);
    expect([reply.status, reply.json()]).toEqual([422, expect.objectContaining({ code: 'INVALID' })]);
    expect([alone.proxy.hosts.map(({ host }) => host), await rolloutOf(alone)]).toEqual(before);
  });

  it('a proxy whose hosts follow DNS takes none, which DNS would not name', async () => {
    const { ask } = await startOperated({ hosts: [], discover: 'dns:localhost:1' });
    const { status, body } = await ask('POST /api/rollout', { hosts: [first.name] });
    expect([status, body]).toEqual([422, expect.stringContaining("'hosts' must be left out where 'discover' is set")]);
    expect((await ask('GET /api/rollout')).body).toBe('null');
  });
});
