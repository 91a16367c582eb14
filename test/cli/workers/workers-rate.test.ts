import { WorkersRate, type LimitedWorker } from '../../../src/cli/workers/workers-rate';

class Worker implements LimitedWorker {
  queued = 0;
  rates: number[] = [];

  setRate(rate: number): void {
    this.rates.push(rate);
  }
}

const start = (count: number): { workers: Worker[]; rate: WorkersRate } => {
  const workers = Array.from({ length: count }, () => new Worker());
  return { workers, rate: new WorkersRate(100, count, () => workers) };
};

it('gives each worker an equal part of the slice, those that start later, too', () => {
  const { workers, rate } = start(4);
  rate.setRate(60);
  rate.setRate(0);
  rate.setRate(100);
  for (const { rates } of workers) expect(rates).toEqual([15, 0, 25]);
  const next = new Worker();
  rate.follow(next);
  expect(next.rates).toEqual([25]);
});

it('leaves workers to their settings while there is no slice', () => {
  const { workers: [worker], rate } = start(1);
  if (worker) rate.follow(worker);
  expect([worker?.rates, rate.rate]).toEqual([[], 100]);
});

it('wants what has come to all, and what waited when that was asked before', () => {
  const { workers, rate } = start(2);
  rate.came(5);
  rate.came(2);
  for (const worker of workers) worker.queued = 3;
  expect(rate.takeDemand()).toBe(7);
  rate.came(1);
  expect(rate.takeDemand()).toBe(7);
  for (const worker of workers) worker.queued = 0;
  expect(rate.takeDemand()).toBe(6);
  expect(rate.takeDemand()).toBe(0);
});
