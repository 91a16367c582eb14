import { Fleet, type Self } from '../../src/fleet/fleet';
import type { Beat, FleetStore, LeaseAsked, LeaseGranted, Reading } from '../../src/fleet/fleet-store';
import { FleetRate } from '../../src/operating/fleet-rate';
import { stopClock, type Clock } from '../support/clock';

const SELF: Self = {
  version: '', ready: true, workers: 1, spelling: { hosts: '', path: '', keyPrefix: '' }, hosts: [], level: 0, without: [], ended: [],
};

/** Grants what a test says, and knows what was asked for. */
class Grants implements FleetStore {
  readonly asked: (LeaseAsked | undefined)[] = [];
  answer: LeaseGranted | Error = { granted: 10, sharers: 2 };

  beat({ lease: asked }: Beat): Promise<Reading> {
    this.asked.push(asked);
    if (this.answer instanceof Error) return Promise.reject(this.answer);
    return Promise.resolve({ now: jest.now(), revision: '', members: new Map(), registers: undefined, lease: this.answer });
  }
}

/** Speaks for processes that admit handshakes: passes on the slice, and sums their demand. */
class Several {
  readonly set: number[] = [];
  demand = 0;

  constructor(readonly rate: number | undefined) {}

  takeDemand(): number {
    return this.demand;
  }

  setRate(rate: number): void {
    this.set.push(rate);
  }
}

let clock: Clock;
let grants: Grants;
let fleet: Fleet;

beforeEach(() => {
  clock = stopClock();
  grants = new Grants();
  fleet = new Fleet({ id: 'me', timeout: 1000, life: 60_000 }, grants, () => SELF);
});

it('passes on a quarter at first, then what is leased, and an equal part when the lease is over', async () => {
  const several = new Several(80);
  const rate = new FleetRate(fleet, several);
  expect(several.set).toEqual([20]);
  await fleet.beat();
  expect(several.set).toEqual([20, 10]);
  grants.answer = new Error('no connection');
  await clock.advance(4499);
  await fleet.beat();
  expect(several.set).toEqual([20, 10]);
  await clock.advance(3000);
  expect([several.set.at(-1), jest.getTimerCount()]).toEqual([40, 0]);
  grants.answer = { granted: 70, sharers: 2 };
  await fleet.beat();
  rate.stop();
  await clock.advance(20_000);
  expect([several.set.at(-1), jest.getTimerCount()]).toEqual([70, 0]);
});

it('passes on all at once where Redis refuses the fleet', async () => {
  const several = new Several(80);
  new FleetRate(fleet, several);
  grants.answer = new Error('NOPERM this user has no permissions');
  await fleet.beat();
  expect(several.set).toEqual([20, 80]);
});

it('asks for what could have gone on since the last beat, unless that was a moment ago', async () => {
  const several = new Several(80);
  new FleetRate(fleet, several);
  several.demand = 60;
  await clock.advance(1500);
  await fleet.beat();
  several.demand = 7;
  await clock.advance(20);
  await fleet.beat();
  await clock.advance(480);
  await fleet.beat();
  expect(grants.asked.map((asked) => [asked?.rate, asked?.wanted])).toEqual([[80, 40], [80, 40], [80, 14]]);
});

it('asks for nothing where there is no limit', async () => {
  const several = new Several(undefined);
  new FleetRate(fleet, several);
  await fleet.beat();
  expect([several.set, grants.asked, fleet.slice]).toEqual([[], [undefined], undefined]);
});
