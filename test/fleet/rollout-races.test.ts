import { ModelFleet } from '../support/model-member';
import { Rolling } from '../support/rolling';

const [OLD, NEW] = ['a:1', 'b:1'];

let world: ModelFleet;

beforeEach(() => {
  world = new ModelFleet();
});

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

async function start(names: readonly string[], otherNames = names): Promise<[Rolling, Rolling]> {
  const [one, other] = [new Rolling(world, 'one', names), new Rolling(world, 'other', otherNames)];
  await world.pass(3000, one, other);
  return [one, other];
}

describe('what a member is told', () => {
  let one: Rolling;
  let other: Rolling;

  // The other is about to begin with the drain.
  beforeEach(async () => {
    [one, other] = await start([OLD]);
    one.know('x');
    one.operations.startRollout({ hosts: [NEW] });
    await world.pass(3000, one, other);
    one.see(NEW);
    await world.pass(3000, one, other);
    expect(other.operations.rollout).toMatchObject({ waiting: [NEW], draining: false });
  });

  const drainAtOther = async (): Promise<void> => {
    other.see(NEW);
    await turn();
    expect(other.all).toEqual([[OLD, true], [NEW, false]]);
  };

  it.each(['one', 'other'])('counts where another one has just begun to drain the old host: a roll back, %s beats first', async (first) => {
    one.operations.startRollout({ hosts: [OLD] });
    await drainAtOther();
    await world.pass(15_000, ...(first === 'one' ? [one, other] : [other, one]));
    for (const each of [one, other]) expect([each.operations.rollout, each.all]).toEqual([undefined, [[OLD, false]]]);
  });

  it.each(['one', 'other'])('counts where another one has just begun to drain the old host: a stop, %s beats first', async (first) => {
    one.operations.stopRollout();
    await drainAtOther();
    await world.pass(15_000, ...(first === 'one' ? [one, other] : [other, one]));
    for (const each of [one, other]) expect([each.operations.rollout, each.all]).toEqual([undefined, [[OLD, false], [NEW, false]]]);
  });

  it('counts where another one has just found that the one before is over', async () => {
    await drainAtOther();
    one.operations.removeHost(OLD);
    for (let beats = 0; beats < 20 && other.operations.rollout; beats += 1) await world.pass(1500, beats % 2 ? one : other);
    one.operations.startRollout({ hosts: ['c:1'] });
    await world.pass(9000, one, other);
    for (const each of [one, other]) expect(each.operations.rollout).toMatchObject({ old: [NEW], new: ['c:1'], draining: false });
  });
});

it.each(['one', 'other'])('a member that never had the old host may begin its drain, not end it: %s beats first', async (first) => {
  const [one, other] = await start([OLD, NEW], [NEW]);
  const session = one.know('x');
  const members = first === 'one' ? [one, other] : [other, one];
  other.hosts.report(other.hosts.named(NEW), 'refused');
  await world.pass(3000, ...members);
  one.operations.startRollout({ hosts: [NEW] });
  await world.pass(3000, ...members);
  expect(one.all).toEqual([[OLD, false], [NEW, false]]);
  other.see(NEW);
  await turn();
  expect(other.operations.rollout).toMatchObject({ draining: true });
  await world.pass(9000, ...members);
  expect(one.operations.rollout).toMatchObject({ old: [OLD], draining: true });
  expect([one.all, other.all]).toEqual([[[OLD, true], [NEW, false]], [[NEW, false]]]);
  one.forget(session);
  await world.pass(15_000, ...members);
  for (const each of [one, other]) expect([each.operations.rollout, each.all]).toEqual([undefined, [[NEW, false]]]);
});

it.each([
  [0, 3000],
  [5000, 5000],
])('sessions are moved once all members may know of the drain: a deadline of %d ms is one of %d', async (deadline, after) => {
  const [one, other] = await start([OLD, NEW]);
  one.know('x');
  one.operations.startRollout({ hosts: [NEW], deadline });
  expect(one.movesIn(OLD)).toBe(after);
  await world.pass(1500, one, other);
  other.operations.drainHost(OLD, { deadline });
  expect(other.movesIn(OLD)).toBe(after);
  expect(other.operations.hosts[0]?.drain).toMatchObject({ movesIn: expect.closeTo(after / 1000, 1) as number });
});

it('its end leaves a host draining that was drained before, and opens those that a rollout before it drained', async () => {
  const [one, other] = await start(['x:1', OLD, NEW]);
  for (const member of [one, other]) for (const { name } of member.hosts.all) member.see(name);
  one.know('y');
  one.know('x', 1);
  one.operations.drainHost('x:1');
  await world.pass(3000, one, other);
  one.operations.startRollout({ hosts: [NEW, 'c:1'], atLeast: 1 });
  await world.pass(3000, one, other);
  other.operations.startRollout({ hosts: ['c:1'] });
  await world.pass(3000, one, other);
  const draining = [['x:1', true], [OLD, true], [NEW, false], ['c:1', false]];
  for (const each of [one, other]) expect(each.all).toEqual(draining);
  one.operations.stopRollout();
  await world.pass(3000, one, other);
  for (const each of [one, other]) expect(each.all).toEqual(draining.map(([name]) => [name, name === 'x:1']));
});

it('adds a new host where it is missing, and drains old ones that only others have', async () => {
  const [one, other] = await start([OLD, NEW], [OLD, 'only:1']);
  for (const member of [one, other]) member.know(`x${member.fleet.id}`);
  other.know('y', 1);
  one.operations.startRollout({ hosts: [NEW] });
  await world.pass(3000, one, other);
  expect(other.all).toEqual([[OLD, false], ['only:1', false], [NEW, false]]);
  other.see(NEW);
  await world.pass(6000, one, other);
  expect([one.all, other.all]).toEqual([[[OLD, true], [NEW, false]], [[OLD, true], ['only:1', true], [NEW, false]]]);
});

it('without new hosts leaves alone what only others have: DNS may have told them sooner of a new one', async () => {
  const [one, other] = await start([OLD], [OLD, NEW]);
  for (const member of [one, other]) member.know(`x${member.fleet.id}`);
  one.operations.startRollout({});
  expect(one.operations.rollout).toMatchObject({ old: [OLD] });
  await world.pass(3000, one, other);
  expect(other.all).toEqual([[OLD, false], [NEW, false]]);
});

it('goes on where an old host is opened again at one member alone', async () => {
  const [one, other] = await start([OLD, NEW]);
  const session = other.know('x');
  one.operations.startRollout({ hosts: [NEW] });
  await world.pass(3000, one, other);
  one.operations.undrainHost(OLD, { scope: 'proxy' });
  await world.pass(6000, one, other);
  expect([one.operations.rollout, other.operations.rollout]).toEqual(Array(2).fill(expect.objectContaining({ draining: true })));
  other.forget(session);
  await world.pass(9000, one, other);
  // New sessions may still come there.
  for (const each of [one, other]) expect(each.operations.rollout).toMatchObject({ draining: true });
  one.operations.drainHost(OLD);
  await world.pass(9000, one, other);
  for (const each of [one, other]) expect([each.operations.rollout, each.all]).toEqual([undefined, [[NEW, false]]]);
});

it('a host that all have dropped may come back before a member has heard that its drain is forgotten', async () => {
  const [one, other] = await start([OLD, NEW]);
  one.operations.drainHost(OLD);
  await world.pass(3000, one, other);
  for (const { operations } of [one, other]) operations.removeHost(OLD, { scope: 'proxy' });
  await world.pass(1500, other, one);
  other.operations.addHost(OLD, { scope: 'proxy' });
  await world.pass(3000, other, one);
  one.operations.addHost(OLD, { scope: 'proxy' });
  for (const each of [one, other]) expect(each.all).toEqual([[NEW, false], [OLD, false]]);
});

it('gives a host that is there the weight that it names, and else leaves it', async () => {
  const [one, other] = await start([OLD, NEW, 'c:1']);
  for (const name of [NEW, 'c:1']) one.operations.setWeight(name, 2);
  one.operations.startRollout({ hosts: [{ host: NEW, weight: 5 }, { host: 'c:1' }] });
  await world.pass(3000, one, other);
  for (const { hosts } of [one, other]) expect([NEW, 'c:1'].map((name) => hosts.named(name).weight)).toEqual([5, 2]);
});

it('sessions are moved at once by a member that is alone', async () => {
  const one = new Rolling(world, 'one', [OLD, NEW]);
  await world.pass(1500, one);
  one.know('x');
  one.operations.startRollout({ hosts: [NEW], deadline: 0 });
  expect(one.movesIn(OLD)).toBe(0);
});

const PLAN = { id: 'x', old: [OLD], new: [NEW], atLeast: 1, movesPerSecond: 5 };

it.each([
  [1, PLAN],
  [0, 'x'],
  [0, { ...PLAN, id: 1 }],
  [0, { ...PLAN, old: OLD }],
  [0, { ...PLAN, new: [1] }],
  [0, { ...PLAN, atLeast: 2 }],
  [0, { ...PLAN, movesPerSecond: 'x' }],
  [0, { ...PLAN, drained: 1 }],
])('a plan in Redis counts only if it is well-formed: %d %j', async (counts, plan) => {
  const [one, other] = await start([OLD]);
  one.fleet.write('rollout', plan);
  await world.pass(3000, one, other);
  expect([other.operations.rollout].filter(Boolean)).toHaveLength(counts);
});

it('is the last one that was told, where two members are told at about the same time, and leaves a host open', async () => {
  const [one, other] = await start([OLD, NEW]);
  for (const member of [one, other]) for (const name of [OLD, NEW]) member.see(name);
  await world.pass(3000, one, other);
  // Each begins at once, and has not heard of the other's.
  one.operations.startRollout({ hosts: [NEW] });
  other.operations.startRollout({ hosts: [OLD] });
  await world.pass(30_000, one, other);
  for (const member of [one, other]) {
    expect(member.hosts.all.some(({ open }) => open)).toBe(true);
    expect(member.operations.rollout).toBeUndefined();
  }
  expect(one.all).toEqual(other.all);
});

it('removes no host while none of the new ones takes sessions', async () => {
  const [one, other] = await start([OLD, NEW]);
  for (const member of [one, other]) for (const name of [OLD, NEW]) member.see(name);
  await world.pass(3000, one, other);
  one.operations.startRollout({ hosts: [NEW] });
  one.operations.drainHost(NEW);
  await world.pass(30_000, one, other);
  expect(one.hosts.all.map(({ name }) => name)).toEqual([OLD, NEW]);
  one.operations.undrainHost(NEW);
  await world.pass(6000, one, other);
  expect(other.hosts.all.map(({ name }) => name)).toEqual([NEW]);
});

it('ends where somebody has undrained what was left of the old hosts', async () => {
  const [one, other] = await start([OLD, NEW]);
  for (const member of [one, other]) for (const name of [OLD, NEW]) member.see(name);
  one.know('x');
  await world.pass(3000, one, other);
  one.operations.startRollout({ hosts: [NEW] });
  await world.pass(3000, one, other);
  other.operations.undrainHost(OLD);
  await world.pass(6000, one, other);
  expect([one.operations.rollout, one.all]).toEqual([undefined, [[OLD, false], [NEW, false]]]);
});

it('names the new host that somebody has removed, for which it waits', async () => {
  const [one, other] = await start([OLD]);
  one.operations.startRollout({ hosts: [NEW] });
  await world.pass(3000, one, other);
  other.operations.removeHost(NEW);
  await world.pass(3000, one, other);
  for (const member of [one, other]) expect(member.operations.rollout).toMatchObject({ new: [], waiting: [NEW], draining: false });
});
