import { once } from 'node:events';
import { FleetStrangers } from '../../src/operating/fleet-strangers';
import { operatedBefore, type Operated } from '../support/admin';
import { TestFleet } from '../support/fleet';
import { ModelFleet, ModelMember } from '../support/model-member';
import { before, startSessionHosts, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

// Two applications that share Redis and `keyPrefix`, by mistake.
let fleet: TestFleet;
let added: SessionHost;
let chat: Operated;
let shop: Operated;
let goods: SessionHost[];

const namesOf = ({ proxy }: { proxy: Operated['proxy'] }): string[] => proxy.hosts.map(({ host }) => host);

beforeEach(async () => {
  fleet = await TestFleet.start();
  [added] = await startSessionHosts(1) as [SessionHost];
  chat = await operatedBefore(await startSessionHosts(1), fleet.options);
});

/** Resolves once both have shown themselves since they know each other. */
async function startShop(): Promise<void> {
  goods = await startSessionHosts(1);
  shop = await operatedBefore(goods, fleet.options);
  await fleet.together(chat, shop);
}

it('an application that is there gets none of the hosts of another one, which is told why', async () => {
  await startShop();
  const names = [chat, shop].map(namesOf);
  const rollout = await chat.ask('POST /api/rollout', { hosts: [added.name] });
  const addition = await chat.ask('POST /api/hosts', { host: added.name });
  const discovered = await chat.ask('POST /api/rollout', {});
  for (const { status, body } of [rollout, addition, discovered]) {
    expect([status, JSON.parse(body)]).toEqual([409, {
      code: 'STRANGERS', message: expect.stringMatching(/^proxy \S+ has none of these hosts, .+ another keyPrefix/) as string,
    }]);
  }
  expect(() => chat.proxy.addHost(added.name)).toThrow('It would get these hosts, too');
  expect([[chat, shop].map(namesOf), (await chat.ask('GET /api/rollout')).json()]).toEqual([names, null]);
  // For itself alone it may.
  expect((await chat.ask('POST /api/hosts?scope=proxy', { host: added.name })).status).toBe(201);
});

it('an application that starts later gets none, either', async () => {
  chat.proxy.addHost(added.name);
  await until('Redis has it', () => chat.proxy.fleet.revision !== undefined);
  await startShop();
  const other = await before(goods, fleet.options);
  const own = goods.map(({ name }) => name);
  await fleet.together(chat, shop, other);
  expect([namesOf(shop), namesOf(other)]).toEqual([own, own]);
  expect(namesOf(chat)).toContain(added.name);
});

it('the operator is told once, of each', async () => {
  const texts: string[] = [];
  chat.proxy.on('suspicious', (_, text) => texts.push(text));
  const told = once(chat.proxy, 'suspicious');
  await startShop();
  const [host, text] = await fleet.hear(told, chat, shop) as [undefined, string];
  const [, { id } = { id: '' }] = chat.proxy.fleet.members;
  expect([host, text]).toEqual([undefined, expect.stringContaining(`proxy ${id} has none of these hosts`)]);
  const disagreed = once(chat.proxy, 'disagree');
  if (chat.proxy.fleet.agree) expect(await fleet.hear(disagreed, shop, chat)).toEqual([id, 'hosts']);
  expect(texts).toHaveLength(1);
});

it('a proxy that starts with settings from before a rollout is none: it follows', async () => {
  const [old = ''] = namesOf(chat);
  await chat.ask('POST /api/rollout', { hosts: [added.name], deadline: 0 });
  await fleet.until('the old host is gone', [chat], () => namesOf(chat).join() === added.name);
  const late = await before([{ name: old }], fleet.options);
  await fleet.until('it follows', [late], () => namesOf(late).join() === added.name);
  await fleet.until('both agree', [chat, late], () => (
    [chat, late].every(({ proxy }) => proxy.fleet.agree && proxy.fleet.members.length === 2)
  ));
});

it('a proxy that has the new hosts in its settings already is none to a rollout to these', async () => {
  const late = await before([added], fleet.options);
  await fleet.together(chat, late);
  expect((await chat.ask('POST /api/rollout', { hosts: [added.name], deadline: 0 })).status).toBe(202);
  await fleet.until('the old host is gone', [chat, late], () => namesOf(chat).join() === added.name);
  expect(namesOf(late)).toEqual([added.name]);
});

it('an application takes up what it has skipped, once it turns out to be of the same', async () => {
  const [first = ''] = namesOf(chat);
  chat.proxy.addHost(added.name);
  await until('Redis has it', () => chat.proxy.fleet.revision !== undefined);
  await startShop();
  expect(namesOf(shop)).toHaveLength(1);
  shop.proxy.addHost(first);
  await fleet.until('it has all', [shop], () => namesOf(shop).length === 3);
  expect(namesOf(shop)).toContain(added.name);
});

it('an application neither sees nor stops the rollout of another one, and does not move its sessions', async () => {
  const rollout = await chat.ask('POST /api/rollout', { hosts: ['127.0.0.1:9'] });
  expect(rollout.status).toBe(202);
  await until('Redis has it', () => chat.proxy.fleet.revision !== undefined);
  await startShop();
  const moved: unknown[] = [];
  shop.proxy.on('rebalancing', () => moved.push('rebalancing'));
  expect((await shop.ask('GET /api/rollout')).json()).toBeNull();
  expect((await shop.ask('DELETE /api/rollout')).status).toBe(204);
  chat.proxy.rebalance({ perMinute: 60 });
  const { revision } = chat.proxy.fleet;
  await fleet.until('both have heard of that', [chat, shop], () => (
    [chat, shop].every(({ proxy }) => Number(proxy.fleet.revision) >= Number(revision))
  ));
  expect((await chat.ask('GET /api/rollout')).json()).toMatchObject({ waiting: ['127.0.0.1:9'] });
  expect([moved, namesOf(shop)]).toEqual([[], goods.map(({ name }) => name)]);
});

describe('hosts from DNS', () => {
  const discover = { name: 'chat.example', port: 3000 };
  let world: ModelFleet;
  let warned: string[];

  beforeEach(() => {
    world = new ModelFleet();
    warned = [];
  });

  const strangersOf = (member: ModelMember): FleetStrangers =>
    new FleetStrangers(member.fleet, member.hosts, (text) => warned.push(text));

  it('make no strangers of members that discover them by the same name, and see others of them', async () => {
    const [one, other] = ['a:1', 'b:1'].map((host) => new ModelMember(world, host, [host], 'p#', discover)) as [ModelMember, ModelMember];
    const strangers = strangersOf(one);
    await world.pass(15_000, one, other);
    expect([strangers.others.map(({ id }) => id), warned]).toEqual([['b:1'], []]);
    strangers.check(['c:1']);
    expect(strangers.haveAlone('b:1')).toBe(false);
  });

  it('leave a proxy that is still to discover its own without those of another application', async () => {
    const [one, other] = [new ModelMember(world, 'one', [], 'p#', discover), new ModelMember(world, 'other', ['b:1'])];
    const strangers = strangersOf(one);
    one.hosts.awaitsDiscovery = true;
    await world.pass(3000, other, one);
    expect(strangers.haveAlone('b:1')).toBe(true);
    one.hosts.awaitsDiscovery = false;
    expect(strangers.haveAlone('b:1')).toBe(false);
  });
});
