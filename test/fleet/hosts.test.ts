import type Proxy from '../../src';
import { Proxy as Class } from '../../src';
import { operatedBefore, pathOf } from '../support/admin';
import { TestFleet } from '../support/fleet';
import { Contract } from '../support/openapi';
import type { ProxyInstance } from '../support/proxy';
import { before, startSessionHosts, type SessionHost } from '../support/session-host';

let hosts: SessionHost[];
let first: string;
let second: string;
let fleet: TestFleet;

beforeEach(async () => {
  hosts = await startSessionHosts(2);
  [first = '', second = ''] = hosts.map(({ name }) => name);
  fleet = await TestFleet.start();
});

const startMember = async (more: Partial<Proxy.PartialProxyOptions> = {}): Promise<ProxyInstance> =>
  (await before(hosts, { ...fleet.options, ...more })).proxy;

const hostOf = (proxy: ProxyInstance, name: string): ProxyInstance['hosts'][number] | undefined =>
  proxy.hosts.find(({ host }) => host === name);

/** Resolves when `other` has all that `one` has set before. */
async function follow(one: ProxyInstance, other: ProxyInstance): Promise<void> {
  const weight = (hostOf(one, second)?.weight ?? 0) + 1;
  one.setWeight(second, weight);
  await fleet.until('the other knows', [other], () => hostOf(other, second)?.weight === weight);
}

/** The names of the events of a host, as they come. */
function eventsOf(proxy: ProxyInstance): string[] {
  const events: string[] = [];
  for (const event of ['added', 'removed', 'draining', 'undrained'] as const) proxy.on(event, (host) => events.push(`${event} ${host}`));
  return events;
}

it('gives a host that is added anew no drain and no weight of before, and tells of none', async () => {
  const [one, other] = [await startMember(), await startMember()];
  one.drainHost(first);
  one.setWeight(first, 9);
  one.removeHost(first);
  await follow(one, other);
  const events = [eventsOf(one), eventsOf(other)];
  other.addHost(first, { weight: 2 });
  await fleet.until('the other has it', [one], () => hostOf(one, first));
  for (const proxy of [one, other]) expect(hostOf(proxy, first)).toMatchObject({ weight: 2, draining: false });
  expect(events).toEqual([[`added ${first}`], [`added ${first}`]]);
});

it('lets a host that all have dropped come back without its drain and weight, also by the settings of one', async () => {
  const [one, other] = [await startMember(), await startMember()];
  one.drainHost(first);
  one.setWeight(first, 9);
  await follow(one, other);
  // As where DNS no longer names it, or the settings.
  for (const proxy of [one, other]) proxy.removeHost(first, { scope: 'proxy' });
  const key = `{socket.io-fleet}:state:${fleet.keyPrefix}`;
  const registers = (): Promise<(string | null)[]> =>
    Promise.all(['drain', 'weight'].map((kind) => fleet.redis.hGet(key, `${kind} ${first}`)));
  await fleet.until('the fleet has forgotten it', [one, other], async () => (
    (await registers()).every((register) => register?.endsWith(' null'))
  ));
  for (const proxy of [one, other]) proxy.addHost(first, { scope: 'proxy' });
  // One that has not heard yet that the drain is forgotten opens the host when it has.
  await fleet.until('both give it sessions', [one, other], () => [one, other].every((proxy) => hostOf(proxy, first)?.draining === false));
  for (const proxy of [one, other]) expect(hostOf(proxy, first)?.weight).toBe(1);
});

it('tells where two have one server under two names', async () => {
  const [one, other] = [await startMember(), await startMember()];
  const told: string[] = [];
  for (const proxy of [one, other]) proxy.on('suspicious', (host, text) => told.push(`${host} ${text}`));
  one.addHost('127.0.0.1:1');
  other.addHost('http://127.0.0.1:1');
  await fleet.until('both are told', [one, other], () => told.length === 2);
  expect(told.sort()).toEqual([
    expect.stringMatching(/^127\.0\.0\.1:1 another proxy of the fleet calls this server 'http:\/\/127\.0\.0\.1:1'\./),
    expect.stringMatching(/^http:\/\/127\.0\.0\.1:1 another proxy of the fleet calls this server '127\.0\.0\.1:1'\./),
  ]);
});

it('drains by the deadline of all where a proxy alone had undone it', async () => {
  const [one, other] = [await startMember(), await startMember()];
  one.drainHost(first, { deadline: 3_600_000 });
  await follow(one, other);
  one.undrainHost(first, { scope: 'proxy' });
  one.drainHost(first);
  expect(hostOf(one, first)?.drain?.movesIn).toBeGreaterThan(3000);
});

it('leaves a host draining that a listener drains as it is added', async () => {
  const [one, other] = [await startMember(), await startMember()];
  one.removeHost(first);
  one.on('added', (host) => one.drainHost(host));
  one.addHost(first);
  await follow(one, other);
  for (const proxy of [one, other]) expect(hostOf(proxy, first)?.draining).toBe(true);
});

it('drains a host that one proxy adds for itself, where the fleet drains it, with the weight that it was given', async () => {
  const one = await startMember();
  const other = await startMember({ hosts: [second] });
  one.drainHost(first);
  one.setWeight(first, 4);
  await follow(one, other);
  other.addHost(first, { weight: 2, scope: 'proxy' });
  expect(hostOf(other, first)).toMatchObject({ weight: 2, draining: true });
  expect(hostOf(one, first)?.weight).toBe(4);
});

it('keeps a deadline while a drain is asked for again, and drops it with a new drain, seen or not', async () => {
  const [one, other] = [await startMember(), await startMember()];
  one.drainHost(first, { deadline: 3_600_000 });
  await follow(one, other);
  other.drainHost(first);
  await follow(other, one);
  for (const proxy of [one, other]) expect(hostOf(proxy, first)?.drain?.movesIn).toBeGreaterThan(3000);
  // Both within one beat.
  one.undrainHost(first);
  one.drainHost(first);
  await follow(one, other);
  for (const proxy of [one, other]) expect(hostOf(proxy, first)?.drain).toEqual({ movesIn: undefined, movesPerSecond: 5 });
});

it('does not undo what was set for one proxy, until the fleet is told again', async () => {
  const [one, other] = [await startMember(), await startMember()];
  one.drainHost(first);
  one.undrainHost(first, { scope: 'proxy' });
  one.setWeight(first, 3, { scope: 'proxy' });
  await follow(one, other);
  await follow(other, one);
  expect([one, other].map((proxy) => [hostOf(proxy, first)?.draining, hostOf(proxy, first)?.weight])).toEqual([[false, 3], [true, 1]]);
  other.drainHost(first);
  await fleet.until('it drains here too', [one], () => hostOf(one, first)?.draining);
});

it('sets at the start what was set before it listened', async () => {
  const one = await startMember();
  const late = new Class({ ...fleet.options, hosts: [first, second], drainTimeout: 0 } as Proxy.ProxyOptions);
  late.drainHost(first, { deadline: 3_600_000 });
  // Whatever the time is here.
  const now = jest.spyOn(Date, 'now').mockReturnValue(1);
  late.listen(0, '127.0.0.1');
  await fleet.until('the other knows', [one], () => hostOf(one, first)?.draining);
  await fleet.until('the other knows until when', [one], () => Number(hostOf(one, first)?.drain?.movesIn) > 3000);
  expect(hostOf(one, first)?.drain?.movesIn).toBeLessThanOrEqual(3600);
  now.mockRestore();
  await late.close();
});

it.each(['all', '', null, 1, {}])('takes no scope %p', async (scope) => {
  const one = await startMember();
  const given = { scope } as Proxy.ScopeOptions;
  const message = /^'scope' must be 'fleet' or 'proxy', received /;
  expect(() => one.addHost('127.0.0.1:1', given)).toThrow(message);
  expect(() => one.removeHost(first, given)).toThrow(message);
  expect(() => one.drainHost(first, given)).toThrow(message);
  expect(() => one.undrainHost(first, given)).toThrow(message);
  expect(() => one.setWeight(first, 2, given)).toThrow(message);
  expect(() => one.setWeight(first, 2, { extra: 1 } as Proxy.ScopeOptions)).toThrow("'extra' is not an option; expected scope");
  expect(one.hosts.map(({ host, weight, draining }) => [host, weight, draining])).toEqual([[first, 1, false], [second, 1, false]]);
});

it('is described by the API, and counted', async () => {
  const contract = new Contract();
  const one = await operatedBefore(hosts, fleet.options);
  const other = await startMember({ path: '/other/' });
  await fleet.together(one, other);
  const reply = await one.ask('GET /api/fleet');
  contract.check('GET /api/fleet', reply);
  const metrics = (await one.ask('GET /metrics')).body;
  expect(metrics).toMatch(/^socketio_proxy_fleet_members 2$/m);
  expect(metrics).toMatch(/^socketio_proxy_fleet_agrees 0$/m);
  await one.ask('POST /api/hosts?scope=proxy', { host: '127.0.0.1:1' });
  await one.ask(`DELETE ${pathOf(first)}?scope=proxy&force=true`);
  await follow(one.proxy, other);
  expect(other.hosts.map(({ host }) => host)).toEqual([first, second]);
  await one.ask('POST /api/hosts', { host: '127.0.0.1:2' });
  await fleet.until('the other has it', [other], () => hostOf(other, '127.0.0.1:2'));
  await one.ask(`DELETE ${pathOf('127.0.0.1:2')}?scope=fleet`);
  await fleet.until('it is gone there', [other], () => !hostOf(other, '127.0.0.1:2'));
});

it('has no metrics where there is no fleet', async () => {
  const { ask } = await operatedBefore(hosts);
  expect((await ask('GET /metrics')).body).not.toContain('socketio_proxy_fleet');
});

it('publishes nothing of a drain that is malformed', async () => {
  const [one, other] = [await startMember(), await startMember()];
  await follow(one, other);
  const key = `{socket.io-fleet}:state:${fleet.keyPrefix}`;
  const malformed = JSON.stringify({ draining: true, movesAt: 'x', movesPerSecond: -1 });
  const at = 1 + (one.fleet.revision ?? NaN);
  await fleet.redis.hSet(key, { [`drain ${first}`]: `${at} evil ${malformed}`, revision: `${at} evil` });
  await follow(other, one);
  expect(hostOf(one, first)?.draining).toBe(false);
  one.drainHost(first);
  await fleet.until('the other drains it', [other], () => hostOf(other, first)?.draining);
  expect(hostOf(other, first)?.drain).toMatchObject({ movesPerSecond: 5 });
});
