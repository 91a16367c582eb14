import { FleetEnded } from '../../src/operating/fleet-ended';
import type { SessionSource } from '../../src/operating/operator';
import { stopClock } from '../support/clock';
import { ModelFleet, ModelMember } from '../support/model-member';

describe('a session that has ended', () => {
  const source = (): SessionSource => ({
    find: () => Promise.resolve('never_seen'), end: () => Promise.resolve('ended'), endSome: () => Promise.resolve(['y']),
  });
  let world: ModelFleet;
  let here: ModelMember;
  let there: ModelMember;
  let ended: FleetEnded;
  let forgotten: string[];

  beforeEach(() => {
    world = new ModelFleet();
    [here, there] = [new ModelMember(world, 'here', ['a:1']), new ModelMember(world, 'there', ['a:1'])];
    forgotten = [];
    ended = new FleetEnded(here.fleet, source(), () => {});
    new FleetEnded(there.fleet, source(), (sid) => forgotten.push(sid));
    here.ended = () => ended.shown;
  });

  it('is shown until each member may have read it, also where beats follow each other closely', async () => {
    const clock = stopClock();
    await ended.end('x');
    for (let i = 0; i < 8; i += 1) await world.pass(20, here);
    await world.pass(1500, there);
    expect(forgotten).toEqual(['x']);
    await clock.advance(10_000);
    await world.pass(1500, here);
    expect(ended.shown).toEqual([]);
  });

  it('is shown once Redis is back', async () => {
    const clock = stopClock();
    await ended.endSome('a:1', 1);
    world.isAway = true;
    await world.pass(1500, here);
    await clock.advance(60_000);
    await world.pass(6000, here);
    world.isAway = false;
    // It may beat twice before another one does.
    await world.pass(3000, here);
    await world.pass(1500, there);
    expect(forgotten).toEqual(['y']);
  });
});
