import type { RolloutOptions } from '../../src/operating/operator';
import { ModelFleet } from '../support/model-member';
import { Rolling } from '../support/rolling';

const [OLD, NEW, NEWER] = ['a:1', 'b:1', 'c:1'];

let world: ModelFleet;
let one: Rolling;
let other: Rolling;
/** What each has told, in order. */
let told: string[][];

/** What a member tells of rollouts and hosts. */
function tellOf({ events, hosts: all }: Rolling): string[] {
  const list: string[] = [];
  events.on('rollout', (state, old, hosts) => list.push(`${state}: ${old.join()} by ${hosts?.join() ?? 'all'}`));
  for (const event of ['draining', 'drained', 'removed'] as const) all.on(event, ({ name }) => list.push(`${name} ${event}`));
  return list;
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

const pass = (ms = 6000): Promise<void> => world.pass(ms, one, other);

beforeEach(async () => {
  world = new ModelFleet();
  [one, other] = [new Rolling(world, 'one', [OLD]), new Rolling(world, 'other', [OLD])];
  told = [one, other].map(tellOf);
  await pass(3000);
});

/** Begins a rollout that waits for its new host at both. */
async function begin(options: RolloutOptions = { hosts: [NEW] }): Promise<void> {
  one.operations.startRollout(options);
  await pass();
}

async function drain(): Promise<void> {
  for (const each of [one, other]) each.see(NEW);
  await turn();
  await pass();
}

const BEGUN = `begun: ${OLD} by ${NEW}`;
const DRAINING = [BEGUN, `draining: ${OLD} by ${NEW}`, `${OLD} draining`];

describe('each member tells once', () => {
  it('that a rollout has begun, drains and is over, whoever has taken the step', async () => {
    const sessions = [one, other].map((each) => [each, each.know('x')] as const);
    await begin();
    expect(told).toEqual([[BEGUN], [BEGUN]]);
    await drain();
    expect(told).toEqual([DRAINING, DRAINING]);
    for (const [each, session] of sessions) each.forget(session);
    await pass(15_000);
    const over = [...DRAINING, `${OLD} drained`, `${OLD} removed`, `over: ${OLD} by ${NEW}`];
    expect(told).toEqual([over, over]);
  });

  it('that it was stopped', async () => {
    await begin();
    other.operations.stopRollout();
    await pass();
    const stopped = [BEGUN, `stopped: ${OLD} by ${NEW}`];
    expect(told).toEqual([stopped, stopped]);
  });

  it('that another one has taken its place', async () => {
    await begin();
    other.operations.startRollout({ hosts: [NEWER] });
    await pass();
    const replaced = [BEGUN, `stopped: ${OLD} by ${NEW}`, `begun: ${OLD},${NEW} by ${NEWER}`];
    expect(told).toEqual([replaced, replaced]);
  });

  it('that one is over after which another one has begun before it heard', async () => {
    await begin();
    await drain();
    for (let beats = 0; beats < 20 && one.operations.rollout; beats += 1) await world.pass(1500, one);
    one.operations.startRollout({ hosts: [NEWER] });
    await pass();
    expect(told[1]).toEqual(expect.arrayContaining([`over: ${OLD} by ${NEW}`, `begun: ${NEW} by ${NEWER}`]));
    expect(told[1]).not.toContain(`stopped: ${OLD} by ${NEW}`);
  });

  it('what it finds under way when it starts', async () => {
    for (const each of [one, other]) each.know('x');
    await begin();
    await drain();
    const late = new Rolling(world, 'late', [OLD]);
    const heard = tellOf(late);
    await world.pass(6000, one, other, late);
    expect(heard.filter((text) => text.includes(' by '))).toEqual(DRAINING.slice(0, 2));
  });

  it('that all that come later replace the hosts that are there', async () => {
    await begin({});
    expect(told).toEqual([[`begun: ${OLD} by all`], [`begun: ${OLD} by all`]]);
  });
});

it('may be stopped by who hears that it begins', async () => {
  one.events.once('rollout', () => one.operations.stopRollout());
  one.operations.startRollout({ hosts: [NEW] });
  await turn();
  expect([one.operations.rollout, one.all]).toEqual([undefined, [[OLD, false], [NEW, false]]]);
  expect(told[0]).toEqual([BEGUN, `stopped: ${OLD} by ${NEW}`]);
});

it('says which members it waits for', async () => {
  await begin();
  const waits = (...members: string[]): object => ({ waiting: [NEW], waitingFor: [{ host: NEW, members }], draining: false });
  expect(one.operations.rollout).toMatchObject(waits('one', 'other'));
  one.see(NEW);
  await turn();
  expect(one.operations.rollout).toMatchObject(waits('other'));
  expect(other.operations.rollout).toMatchObject(waits('other', 'one'));
  await pass();
  expect(other.operations.rollout).toMatchObject(waits('other'));
  other.see(NEW);
  await turn();
  expect(other.operations.rollout).toMatchObject({ waiting: [], waitingFor: [] });
});
