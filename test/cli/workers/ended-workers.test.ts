import { EndedWorkers } from '../../../src/cli/workers/ended-workers';
import type { HostLoad } from '../../../src/cli/workers/messages';
import { stopClock } from '../../support/clock';

const sample = { level: 0, hosts: new Map([['a:1', Int32Array.of(1, 2, 3)]]) };
const load = (more: Partial<HostLoad> = {}): HostLoad => ({
  host: 'a:1', sessions: 3, tunnels: 1, requests: 2, polls: 1, answered: false, served: false, bindingLife: 0, ...more,
});

it('keeps the sessions by polling of a worker that has ended, and neither requests nor WebSockets', () => {
  const ended = new EndedWorkers(60);
  expect([ended.any, ended.loads]).toEqual([false, []]);
  ended.add({ load: [load(), load({ host: 'b:1', sessions: 4, tunnels: 4 })], sample });
  expect(ended.any).toBe(true);
  expect(ended.loads).toMatchObject([{ load: [{ host: 'a:1', sessions: 2, tunnels: 0, requests: 0, polls: 0 }], sample }]);
});

it('keeps nothing of one that had none', () => {
  const ended = new EndedWorkers(60);
  ended.add({ load: [load({ sessions: 2, tunnels: 2 }), load({ sessions: 1, tunnels: 2 })], sample });
  expect([ended.any, ended.loads]).toEqual([false, []]);
});

it('keeps them as long as the bindings of each host live', async () => {
  const clock = stopClock();
  const ended = new EndedWorkers(10);
  ended.add({ load: [load(), load({ host: 'b:1', bindingLife: 20 })], sample });
  const names = (): unknown => ended.loads.map(({ load: hosts }) => hosts.map(({ host }) => host));
  await clock.advance(10_000);
  expect(names()).toEqual([['a:1', 'b:1']]);
  await clock.advance(1);
  expect(names()).toEqual([['b:1']]);
  await clock.advance(10_000);
  expect([names(), ended.any]).toEqual([[], false]);
});
