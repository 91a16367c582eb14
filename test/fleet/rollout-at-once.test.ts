import { ModelFleet } from '../support/model-member';
import { Rolling } from '../support/rolling';

const [OLD, NEW, OTHER] = ['a:1', 'b:1', 'c:1'];

let world: ModelFleet;
let one: Rolling;
let other: Rolling;

beforeEach(async () => {
  world = new ModelFleet();
  [one, other] = [new Rolling(world, 'one', [OLD]), new Rolling(world, 'other', [OLD])];
  await world.pass(3000, one, other);
});

/** All that are there are up from now on, as far as members know. */
function seeAll(): void {
  for (const member of [one, other]) for (const { name } of member.hosts.all) member.see(name);
}

async function finish(): Promise<void> {
  await world.pass(3000, one, other);
  seeAll();
  await world.pass(30_000, one, other);
}

describe('a host that another member has just added is old', () => {
  it('where that has begun a rollout', async () => {
    one.operations.startRollout({ hosts: [OTHER] });
    await world.pass(200, one);
    other.operations.startRollout({ hosts: [NEW] });
    await finish();
    for (const each of [one, other]) expect([each.operations.rollout, each.all]).toEqual([undefined, [[NEW, false]]]);
  });

  it('where that was told to add it', async () => {
    one.operations.addHost(OTHER);
    await world.pass(200, one);
    other.operations.startRollout({ hosts: [NEW] });
    await world.pass(1500, other, one);
    for (const each of [one, other]) expect(each.operations.rollout).toMatchObject({ old: [OLD, OTHER], new: [NEW] });
    await finish();
    for (const each of [one, other]) expect([each.operations.rollout, each.all]).toEqual([undefined, [[NEW, false]]]);
  });

  it('where the old ones drain at once', async () => {
    one.operations.addHost(NEW);
    await world.pass(3000, one, other);
    seeAll();
    await world.pass(3000, one, other);
    one.operations.addHost(OTHER);
    await world.pass(200, one);
    other.operations.startRollout({ hosts: [NEW] });
    expect(other.operations.rollout).toMatchObject({ old: [OLD], draining: true });
    await finish();
    for (const each of [one, other]) expect([each.operations.rollout, each.all]).toEqual([undefined, [[NEW, false]]]);
  });

  it('and not where it is the new one, by whichever name', async () => {
    one.operations.addHost(`http://${NEW}`);
    await world.pass(200, one);
    other.operations.startRollout({ hosts: [NEW] });
    await world.pass(3000, other, one);
    expect(other.operations.rollout).toMatchObject({ old: [OLD], new: [NEW] });
  });
});

it.each(['one', 'other'])('a host that is added after a rollout has begun is not old: by %s', async (by) => {
  one.operations.startRollout({ hosts: [NEW] });
  await world.pass(3000, one, other);
  (by === 'one' ? one : other).operations.addHost(OTHER);
  await finish();
  for (const each of [one, other]) {
    expect([each.operations.rollout, each.all]).toEqual([undefined, expect.arrayContaining([[NEW, false], [OTHER, false]])]);
  }
});

it('a host that was removed before is not old', async () => {
  one.operations.addHost(OTHER);
  await world.pass(3000, one, other);
  one.operations.removeHost(OTHER);
  await world.pass(200, one);
  other.operations.startRollout({ hosts: [NEW] });
  await world.pass(1500, other, one);
  expect(one.operations.rollout).toMatchObject({ old: [OLD] });
});
