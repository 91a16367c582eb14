import { Fleet, type Self } from '../../src/fleet/fleet';
import type { FleetStore, Reading } from '../../src/fleet/fleet-store';
import { stopClock } from '../support/clock';

const SELF: Self = {
  version: '', ready: true, workers: 1, spelling: { hosts: '', path: '', keyPrefix: '' }, hosts: [], level: 0, without: [], ended: [],
};

/** Answers each beat when a test says so. */
class Slow implements FleetStore {
  readonly asked: (() => void)[] = [];

  beat(): Promise<Reading> {
    const reading = { now: jest.now(), revision: '', members: new Map(), registers: undefined, lease: undefined };
    return new Promise((resolve) => this.asked.push(() => resolve(reading)));
  }
}

describe('a refresh', () => {
  it('begins a beat of its own, which those who ask meanwhile do not share', async () => {
    stopClock();
    const store = new Slow();
    const fleet = new Fleet({ id: 'me', timeout: 1000, life: 60_000 }, store, () => SELF);
    const first = fleet.refresh();
    const others = [fleet.refresh(), fleet.refresh()];
    expect(store.asked).toHaveLength(1);
    store.asked[0]?.();
    expect(await first).toBe(true);
    expect(store.asked).toHaveLength(2);
    store.asked[1]?.();
    expect(await Promise.all(others)).toEqual([true, true]);
    expect(store.asked).toHaveLength(2);
  });

  it('knows nothing by a beat that began before and whose answer is late', async () => {
    const clock = stopClock();
    const store = new Slow();
    const fleet = new Fleet({ id: 'me', timeout: 1000, life: 60_000 }, store, () => SELF);
    void fleet.beat();
    const refreshed = fleet.refresh();
    await clock.advance(1000);
    store.asked[0]?.();
    expect([await refreshed, store.asked.length]).toEqual([false, 1]);
  });
});
