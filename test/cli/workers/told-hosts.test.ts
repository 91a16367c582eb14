import { once } from 'node:events';
import type { HostEntry, HostList } from '../../../src/cli/workers/messages';
import { ToldHosts } from '../../../src/cli/workers/told-hosts';
import { Hosts } from '../../../src/hosts/hosts';
import { onCleanup } from '../../support/cleanup';
import { settle } from '../../support/clock';

const HOST = '127.0.0.1:3000';

let version = 0;

function listOf(...entries: HostEntry[]): HostList {
  version += 1;
  return { entries, version, awaitsDiscovery: false, levelling: false };
}

const leaving: HostEntry = {
  host: HOST, state: 'up', downReason: undefined, downText: undefined, draining: true, weight: 1, address: '127.0.0.1',
};

/** A worker's hosts, of which one is leaving, and what the primary is told of them. */
function follow(): { hosts: Hosts; told: ToldHosts; sought: string[] } {
  const hosts = new Hosts([], { unhealthyAfter: 1, healthyAfter: 1, balance: 'random', slowStart: 0, maxSessions: undefined });
  const sought: string[] = [];
  const told = new ToldHosts(hosts, listOf(leaving), { unreached: () => {}, seek: (host) => sought.push(host) });
  onCleanup(() => told.stop());
  return { hosts, told, sought };
}

describe('a host that the primary removes', () => {
  it('goes at once where nothing is there', () => {
    const { hosts, told, sought } = follow();
    told.apply(listOf());
    expect([hosts.all, sought]).toEqual([[], []]);
  });

  it('stays where a session has just come, and the primary takes it back', async () => {
    const { hosts, told, sought } = follow();
    const host = hosts.named(HOST);
    host.requests = 1;
    told.apply(listOf());
    expect(sought).toEqual([HOST]);
    told.apply(listOf(leaving));
    told.sought(HOST);
    await settle();
    expect([hosts.get(HOST) === host, host.removed]).toEqual([true, false]);
  });

  it('goes with what is there where the primary does not take it back', async () => {
    const { hosts, told } = follow();
    hosts.named(HOST).sessions = 1;
    told.apply(listOf());
    const removed = once(hosts, 'removed');
    told.sought(HOST);
    await removed;
    expect(hosts.all).toEqual([]);
  });

  it('goes at once where it is gone, or was not told to drain', () => {
    for (const entry of [{ ...leaving, state: 'down', downReason: 'refused' }, { ...leaving, draining: false }] as const) {
      const { hosts, told, sought } = follow();
      told.apply(listOf(entry));
      hosts.named(HOST).requests = 1;
      told.apply(listOf());
      expect([hosts.all, sought]).toEqual([[], []]);
    }
  });
});

it('takes over at once what the primary has found, and by its own clients counts as the primary does', () => {
  const hosts = new Hosts([], { unhealthyAfter: 2, healthyAfter: 2, balance: 'random', slowStart: 0, maxSessions: undefined });
  const unreached: string[] = [];
  const up: HostEntry = { ...leaving, draining: false };
  const told = new ToldHosts(hosts, listOf(up), { unreached: (...found) => unreached.push(found.join()), seek: () => {} });
  onCleanup(() => told.stop());
  const host = hosts.named(HOST);
  expect(host.up).toBe(true);
  told.apply(listOf({ ...up, state: 'down', downReason: 'silent' }));
  expect(host.downReason).toBe('silent');
  told.apply(listOf(up));
  expect(host.up).toBe(true);
  const error = Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' });
  hosts.unreached(host, error, 0);
  expect([host.up, unreached]).toEqual([true, []]);
  hosts.unreached(host, error, 0);
  expect([host.downReason, unreached]).toEqual(['unreachable', [`${HOST},unreachable`]]);
});
