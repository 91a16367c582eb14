import { TestFleet } from '../support/fleet';
import { handshake, pollUrl, request } from '../support/http';
import type { Started } from '../support/proxy';
import { before, startSessionHosts, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

let fleet: TestFleet;
let host: SessionHost;
let one: Started;
let other: Started;

beforeEach(async () => {
  const hosts = await startSessionHosts(1);
  [host] = hosts as [SessionHost];
  fleet = await TestFleet.start();
  [one, other] = [await before(hosts, fleet.options), await before(hosts, fleet.options)];
  await fleet.together(one, other);
});

/** A session that both members know. */
async function open(): Promise<string> {
  const sid = await handshake(other.url);
  await request(pollUrl(one.url, sid), { method: 'POST', body: '2' });
  await request(pollUrl(other.url, sid), { method: 'POST', body: '2' });
  expect([one, other].map(({ proxy }) => proxy.hosts[0]?.sessions)).toEqual([1, 1]);
  // Clocks differ: what is younger may be another session of that sid.
  const ageOf = async (): Promise<number> => {
    const found = await other.proxy.findSession(sid);
    return typeof found === 'string' ? 0 : found.age ?? 0;
  };
  await until('it is old enough', async () => await ageOf() > 0.5);
  return sid;
}

it('a session that was ended through one member is known to none, and counts no more', async () => {
  const sid = await open();
  expect(await one.proxy.endSession(sid)).toBe('ended');
  await fleet.until('the other has forgotten it', [one, other], () => other.proxy.hosts[0]?.sessions === 0);
  expect(await other.proxy.findSession(sid)).toBe('ended');
  for (const { proxy } of [one, other]) await fleet.until('it counts no more', [one, other], () => proxy.hosts[0]?.fleet?.sessions === 0);
});

it('a session that its host did not know any more, and that has ended elsewhere, counts no more', async () => {
  const sid = await open();
  host.hasForgotten = true;
  expect((await request(pollUrl(other.url, sid), { method: 'POST', body: '2' })).status).toBe(400);
  expect(other.proxy.hosts[0]?.sessions).toBe(1);
  other.proxy.parts.own.forgetEnded(sid, 0);
  expect(other.proxy.hosts[0]?.sessions).toBe(0);
});

it('a session that was opened since another one of its sid has ended is not forgotten', async () => {
  const sid = await handshake(other.url);
  const { own } = other.proxy.parts;
  own.forgetEnded(sid, 3_600_000);
  expect(await other.proxy.findSession(sid)).toMatchObject({ from: 'cache' });
  own.forgetEnded(sid, 0);
  expect(await other.proxy.findSession(sid)).toMatchObject({ from: 'store' });
});
