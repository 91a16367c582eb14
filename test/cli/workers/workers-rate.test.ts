import { WorkersRate, type LimitedWorker } from '../../../src/cli/workers/workers-rate';

class Worker implements LimitedWorker {
  queued = 0;
  rates: number[] = [];

  setRate(rate: number): void {
    this.rates.push(rate);
  }
}

const start = (count: number, limit = 100): { workers: Worker[]; rate: WorkersRate; parts: () => (number | undefined)[] } => {
  const workers = Array.from({ length: count }, () => new Worker());
  const rate = new WorkersRate(limit, count);
  for (const worker of workers) rate.here(worker);
  return { workers, rate, parts: () => workers.map(({ rates }) => rates.at(-1)) };
};

it('gives each worker an equal part of the slice', () => {
  const { rate, parts } = start(4);
  expect(parts()).toEqual([25, 25, 25, 25]);
  rate.setRate(60);
  expect(parts()).toEqual([15, 15, 15, 15]);
  rate.setRate(0);
  expect(parts()).toEqual([0, 0, 0, 0]);
});

it('gives whole parts, whose sum is the slice, and fractions only where there is less than one for each', () => {
  const { rate, parts } = start(4);
  rate.setRate(6);
  expect(parts()).toEqual([2, 2, 1, 1]);
  rate.setRate(7.5);
  expect(parts()).toEqual([2, 2, 2, 1]);
  rate.setRate(2);
  expect(parts()).toEqual([0.5, 0.5, 0.5, 0.5]);
});

it('gives each a smaller part while one is replaced, which admits what waits there', () => {
  const { workers, rate, parts } = start(2);
  rate.setRate(60);
  const [old = new Worker()] = workers;
  const next = new Worker();
  workers.push(next);
  expect(parts()).toEqual([30, 30, undefined]);
  rate.here(next);
  expect(parts()).toEqual([20, 20, 20]);
  rate.gone(old);
  expect(parts()).toEqual([20, 30, 30]);
});

it('gives none more than its part of all while one is missing, which is about to come', () => {
  const { workers: [one, other = new Worker()], rate } = start(2);
  rate.setRate(60);
  rate.gone(other);
  expect(one?.rates.at(-1)).toBe(30);
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
