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

it('gives each worker an equal part of the slice', () => {
  const { workers, rate } = start(4);
  rate.setRate(60);
  rate.setRate(0);
  rate.setRate(100);
  for (const { rates } of workers) expect(rates).toEqual([15, 0, 25]);
});

it('gives each a smaller part while one is replaced, which admits what waits there', () => {
  const { workers, rate } = start(2);
  rate.setRate(60);
  workers.push(new Worker());
  rate.spread();
  expect(workers.map(({ rates }) => rates.at(-1))).toEqual([20, 20, 20]);
  workers.shift();
  rate.spread();
  expect(workers.map(({ rates }) => rates.at(-1))).toEqual([30, 30]);
});

it('gives none more than its part of all while one is missing, which is about to come', () => {
  const { workers, rate } = start(2);
  rate.setRate(60);
  workers.pop();
  rate.spread();
  expect(workers[0]?.rates.at(-1)).toBe(30);
});

it('spreads the whole rate while no fleet shares it', () => {
  const { workers, rate } = start(4);
  rate.spread();
  for (const { rates } of workers) expect(rates).toEqual([25]);
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
