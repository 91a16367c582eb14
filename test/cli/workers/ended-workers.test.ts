import { EndedWorkers } from '../../../src/cli/workers/ended-workers';
import type { HostLoad } from '../../../src/cli/workers/messages';
import { stopClock } from '../../support/clock';

const load = (more: Partial<HostLoad> = {}): HostLoad => ({
  host: 'a:1', sessions: 3, tunnels: 0, requests: 0, polls: 0, answered: false, served: false, bindingLife: 0, ...more,
});
const isClosed = (host: string): boolean => host === 'closed:1';

it('waits for the hosts where a worker had sessions that has ended, whether by polling or not', () => {
  const ended = new EndedWorkers(60);
  expect([ended.any, ended.had('a:1')]).toEqual([false, false]);
  ended.add([load({ sessions: 3, tunnels: 5 }), load({ host: 'closed:1' }), load({ host: 'closed:1', sessions: 1 })], isClosed);
  expect(['a:1', 'closed:1', 'b:1'].map((host) => ended.had(host))).toEqual([true, true, false]);
  ended.removed('a:1');
  expect([ended.had('a:1'), ended.any]).toEqual([false, true]);
});

it('waits for those that may have got a session since its last report, and for no others', () => {
  const ended = new EndedWorkers(60);
  ended.add([load({ sessions: 0 }), load({ host: 'closed:1', sessions: 0 })], isClosed);
  expect(['a:1', 'closed:1'].map((host) => ended.had(host))).toEqual([true, false]);
});

it('waits as long as the bindings of each host live', async () => {
  const clock = stopClock();
  const ended = new EndedWorkers(10);
  ended.add([load(), load({ host: 'b:1', bindingLife: 20 })], isClosed);
  const waits = (): boolean[] => ['a:1', 'b:1'].map((host) => ended.had(host));
  await clock.advance(10_000);
  expect(waits()).toEqual([true, true]);
  await clock.advance(1);
  expect(waits()).toEqual([false, true]);
  await clock.advance(10_000);
  expect([waits(), ended.any]).toEqual([[false, false], false]);
});
