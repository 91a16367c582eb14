import { ModelFleet } from '../support/model-member';
import { Rolling } from '../support/rolling';

const [HOST, STAYS] = ['a:1', 'b:1'];

let world: ModelFleet;
let one: Rolling;
let other: Rolling;
/** What the other tells of the host that one has removed. */
let told: string[];

beforeEach(async () => {
  world = new ModelFleet();
  [one, other] = [new Rolling(world, 'one', [HOST, STAYS]), new Rolling(world, 'other', [HOST, STAYS])];
  told = [];
  for (const event of ['draining', 'drained', 'removed'] as const) other.hosts.on(event, () => told.push(event));
  await world.pass(3000, one, other);
});

describe('a member that finds a host removed by another one', () => {
  it('tells that it is drained, if all drained it and nothing was left there', async () => {
    const session = one.know('x');
    one.operations.drainHost(HOST);
    one.hosts.on('drained', () => one.operations.removeHost(HOST));
    await world.pass(6000, one, other);
    // Whose session was the last one finds out first, and tells the others at once that the host is removed.
    one.forget(session);
    for (const each of [one, other, one, one, other]) await world.pass(1500, each);
    expect(told).toEqual(['draining', 'drained', 'removed']);
  });

  it('tells that once', async () => {
    one.operations.drainHost(HOST);
    await world.pass(15_000, one, other);
    one.operations.removeHost(HOST);
    await world.pass(3000, one, other);
    expect(told).toEqual(['draining', 'drained', 'removed']);
  });

  it.each([['it', () => other], ['the other', () => one]])('does not tell that while %s has a session there', async (_, whose) => {
    whose().know('x');
    await world.pass(3000, one, other);
    one.operations.drainHost(HOST);
    await world.pass(6000, one, other);
    one.operations.removeHost(HOST);
    await world.pass(3000, one, other);
    expect(told).toEqual(['draining', 'removed']);
  });

  it('does not tell that of one that did not drain', async () => {
    one.operations.removeHost(HOST);
    await world.pass(3000, one, other);
    expect(told).toEqual(['removed']);
  });

  it('does not tell that of one that it drained for itself alone', async () => {
    other.know('x');
    other.operations.drainHost(HOST, { scope: 'proxy' });
    one.operations.removeHost(HOST);
    await world.pass(3000, one, other);
    expect(told).toEqual(['draining', 'removed']);
  });
});

it('a host that another member has just added is found by all that look for it, also at once', async () => {
  one.operations.addHost('new:1');
  await one.fleet.beat();
  const found = await Promise.all(Array.from({ length: 10 }, () => other.hosts.seek('new:1')));
  expect(found.map((host) => host?.name)).toEqual(Array.from({ length: 10 }, () => 'new:1'));
});

it('a host is found that is added a moment after somebody has looked for it in vain', async () => {
  expect(await other.hosts.seek('new:1')).toBeUndefined();
  one.operations.addHost('new:1');
  await one.fleet.beat();
  expect((await other.hosts.seek('new:1'))?.name).toBe('new:1');
});
