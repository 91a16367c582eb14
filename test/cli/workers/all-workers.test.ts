import { EndedWorkers } from '../../../src/cli/workers/ended-workers';
import { AllWorkers, type AskedWorker } from '../../../src/cli/workers/all-workers';
import { createHostTotals, createTotals, type HostTotals, type Totals } from '../../../src/base/totals';

/** A worker that answers with what it has counted. */
class CountingWorker implements AskedWorker {
  readonly number = 1;
  readonly serves = true;
  readonly sample = { level: 0, hosts: new Map<string, Int32Array>() };
  hosts: Record<string, number> = {};

  get totals(): Totals {
    const hosts = Object.entries(this.hosts).map(([name, upgrades]): [string, HostTotals] => [name, { ...createHostTotals(), upgrades }]);
    return { ...createTotals(), hosts: Object.fromEntries(hosts) };
  }

  ask(): Promise<never> {
    return Promise.resolve(structuredClone(this.totals) as never);
  }

  sessionsOn(): number {
    return 0;
  }
}

interface Started {
  all: AllWorkers;
  workers: CountingWorker[];
  names: Set<string>;
  upgrades: () => Promise<Record<string, number>>;
}

function start(count: number, names: string[]): Started {
  const workers = Array.from({ length: count }, () => new CountingWorker());
  const hosts = new Set(names);
  const all = new AllWorkers(() => workers, new EndedWorkers(60), () => false, () => Promise.resolve([]), (name) => hosts.has(name));
  const upgrades = async (): Promise<Record<string, number>> =>
    Object.fromEntries(Object.entries((await all.totals()).hosts).map(([name, totals]) => [name, totals.upgrades]));
  return { all, workers, names: hosts, upgrades };
}

describe('the totals of all workers', () => {
  it('do not grow with hosts that come and go', async () => {
    const { all, workers, names, upgrades } = start(1, []);
    for (let i = 0; i < 1000; i += 1) {
      const name = `10.0.0.1:${i + 1}`;
      names.add(name);
      const [worker] = workers as [CountingWorker];
      worker.hosts = { [name]: 5 };
      expect(await upgrades()).toEqual({ [name]: 5 });
      workers.pop();
      all.gone(worker);
      workers.push(new CountingWorker());
      names.delete(name);
      all.removed(name);
    }
    expect(await upgrades()).toEqual({});
  });

  it('never fall while a host lives, whichever workers end', async () => {
    const { all, workers, upgrades } = start(2, ['a:1']);
    const seen: (number | undefined)[] = [];
    for (let i = 0; i < 20; i += 1) {
      for (const worker of workers) worker.hosts = { 'a:1': (worker.hosts['a:1'] ?? 0) + 3 };
      seen.push((await upgrades())['a:1']);
      const [worker] = workers.splice(0, 1);
      if (worker) all.gone(worker);
      workers.push(new CountingWorker());
      seen.push((await upgrades())['a:1']);
    }
    expect(seen).toEqual([...seen].sort((one, other) => Number(one) - Number(other)));
    expect(seen.at(-1)).toBe(20 * 6);
  });

  it('begin anew with a host that comes back, as each worker does', async () => {
    const { all, workers, names, upgrades } = start(2, ['a:1', 'b:1']);
    for (const worker of workers) worker.hosts = { 'a:1': 100, 'b:1': 7 };
    expect(await upgrades()).toEqual({ 'a:1': 200, 'b:1': 14 });
    const [worker] = workers.splice(0, 1);
    if (worker) all.gone(worker);
    names.delete('a:1');
    all.removed('a:1');
    names.add('a:1');
    const [left] = workers as [CountingWorker];
    left.hosts = { 'a:1': 1, 'b:1': 7 };
    expect(await upgrades()).toEqual({ 'a:1': 1, 'b:1': 14 });
  });

  it('leave out what a worker tells of a host that has gone meanwhile', async () => {
    const { all, workers, names, upgrades } = start(1, ['a:1']);
    const [worker] = workers as [CountingWorker];
    worker.hosts = { 'a:1': 100 };
    names.delete('a:1');
    all.removed('a:1');
    expect(await upgrades()).toEqual({});
    all.counted(worker, worker.totals);
    workers.pop();
    all.gone(worker);
    names.add('a:1');
    expect(await upgrades()).toEqual({});
  });
});
