import type Proxy from '../../src';
import { operatedBefore, startOperated, type Operated } from '../support/admin';
import { openStream, type EventStream } from '../support/event-stream';
import { Contract } from '../support/openapi';
import { openClient, uniqueKeyPrefix } from '../support/redis';
import { startSessionHosts } from '../support/session-host';
import { until } from '../support/until';

interface Fleet {
  enabled: boolean;
  members: { id: string; self: boolean; seenAgo: number }[];
}

const NONE = { enabled: false, revision: null, reached: false, agree: true, members: [] };

const contract = new Contract();

const fleetIn = (snapshot: unknown): Fleet => (snapshot as { fleet: Fleet }).fleet;

const snapshotOf = async (stream: EventStream): Promise<unknown> => (await stream.next('hosts')).data;

/** What differs from one answer to the next. */
const withoutTimes = ({ members, ...rest }: Fleet): unknown => ({ ...rest, members: members.map((member) => ({ ...member, seenAgo: 0 })) });

async function startMembers(count: number): Promise<Operated[]> {
  const hosts = await startSessionHosts(1);
  const options: Partial<Proxy.PartialProxyOptions> = {
    redisClient: await openClient(), keyPrefix: uniqueKeyPrefix(), fleet: true,
  };
  const members: Operated[] = [];
  for (let i = 0; i < count; i += 1) members.push(await operatedBefore(hosts, options));
  // What they show of themselves is then the same from beat to beat.
  await until('all know that all are ready', () => members.every(({ proxy: { fleet } }) => (
    fleet.members.filter(({ ready }) => ready).length === count
  )));
  return members;
}

it('is told with the hosts, as /api/fleet has it, and its members as they come and go', async () => {
  const [one, other] = await startMembers(2) as [Operated, Operated];
  const stream = await openStream(one.admin);
  const numbered = async (count: number): Promise<unknown> => {
    for (;;) {
      const snapshot = await snapshotOf(stream);
      if (fleetIn(snapshot).members.length === count) return snapshot;
    }
  };
  const both = await numbered(2);
  contract.matches('Hosts', both);
  const [id] = other.proxy.fleet.members.filter(({ self }) => self).map((member) => member.id);
  expect(fleetIn(both)).toMatchObject({ enabled: true, members: [{ self: true }, { self: false, id }] });
  expect(withoutTimes(fleetIn(both))).toEqual(withoutTimes((await one.ask('GET /api/fleet')).json() as Fleet));
  await other.proxy.close();
  expect(fleetIn(await numbered(1)).members).toMatchObject([{ self: true }]);
});

it('is told with the list of hosts', async () => {
  const [one] = await startMembers(1) as [Operated];
  const listed = (await one.ask('GET /api/hosts')).json();
  contract.matches('Hosts', listed);
  expect(withoutTimes(fleetIn(listed))).toEqual(withoutTimes((await one.ask('GET /api/fleet')).json() as Fleet));
});

it('has no members where there is no fleet', async () => {
  const operated = await startOperated();
  expect(fleetIn(await snapshotOf(await openStream(operated.admin)))).toEqual(NONE);
  expect(fleetIn((await operated.ask('GET /api/hosts')).json())).toEqual(NONE);
});
