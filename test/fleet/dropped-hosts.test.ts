import { ModelFleet } from '../support/model-member';
import { Rolling } from '../support/rolling';

const [FIRST, SECOND] = ['a:1', 'b:1'];

let world: ModelFleet;
let one: Rolling;
let other: Rolling;

beforeEach(async () => {
  world = new ModelFleet();
  [one, other] = [start('one'), start('other')];
  await world.pass(3000, one, other);
  one.operations.drainHost(FIRST);
  await world.pass(3000, one, other);
});

const start = (id: string): Rolling => new Rolling(world, id, [FIRST, SECOND]);

const drop = ({ operations }: Rolling): void => operations.removeHost(FIRST, { scope: 'proxy' });

/** What a member finds that starts now. */
async function found(): Promise<unknown> {
  const late = start('late');
  await world.pass(3000, late, one);
  return late.all;
}

const [DRAINED, NEW] = [true, false].map((draining) => [[FIRST, draining], [SECOND, false]]);

it.each<[what: string, end: () => Promise<void>]>([
  ['closes', async () => {
    await other.fleet.start();
    await other.fleet.stop();
    await world.pass(3000, one);
  }],
  ['vanishes', () => world.pass(9000, one)],
])('a host keeps its drain where one has dropped it and the only other one %s, and is back a moment later', async (_, end) => {
  drop(one);
  await world.pass(3000, one, other);
  await end();
  expect(one.fleet.members).toHaveLength(1);
  expect(await found()).toEqual(DRAINED);
});

it('a host keeps its drain where the only other one vanishes before it has shown itself again', async () => {
  drop(one);
  await world.pass(9000, one);
  expect(await found()).toEqual(DRAINED);
});

it('a host is forgotten that all have dropped, also where one of them has ended since', async () => {
  drop(one);
  drop(other);
  await world.pass(1500, other);
  await world.pass(9000, one);
  expect(await found()).toEqual(NEW);
});

it('a host is forgotten that all have dropped who were there, also where one that had it ended before', async () => {
  await world.pass(9000, one);
  drop(one);
  await world.pass(3000, one);
  expect(await found()).toEqual(NEW);
});
