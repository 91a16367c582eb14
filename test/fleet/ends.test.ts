import { once } from 'node:events';
import type Proxy from '../../src';
import { FleetEnds } from '../../src/operating/fleet-ends';
import type { EndOutcome, SessionReport, SessionSource } from '../../src/operating/operator';
import { stopClock } from '../support/clock';
import { TestFleet } from '../support/fleet';
import { startHost } from '../support/hosts';
import { pollUrl, request } from '../support/http';
import { ModelFleet, ModelMember } from '../support/model-member';
import { before, openWebSocket } from '../support/session-host';
import { startOperated } from '../support/admin';
import { until } from '../support/until';

it('a session is ended through any member, wherever its WebSocket is', async () => {
  const hosts = [await startHost()];
  const fleet = await TestFleet.start();
  const one = await startOperated({ hosts: hosts.map(({ name }) => name), ...fleet.options });
  const [other, third] = [await before(hosts, fleet.options), await before(hosts, fleet.options)];
  await fleet.together(one, other, third);
  const opened = once(other.proxy, 'session') as Promise<[Proxy.Session]>;
  const closed = once(await openWebSocket(other.url), 'close');
  const [{ sid }] = await opened;
  expect((await one.ask(`DELETE /api/sessions/${sid}`)).status).toBe(204);
  await closed;
  for (const { url } of [one, other, third]) {
    await until('it is over everywhere', async () => (await request(pollUrl(url, sid))).status === 400);
  }
});

/** A process that carries the WebSockets of these sids. */
class Carrier implements SessionSource {
  readonly ended: string[] = [];
  readonly #sids: ReadonlySet<string>;
  readonly #outcome: EndOutcome;

  constructor(sids: readonly string[], outcome: EndOutcome = 'ended') {
    this.#sids = new Set(sids);
    this.#outcome = outcome;
  }

  find(sid: string): Promise<SessionReport | 'ended'> {
    if (this.ended.includes(sid) && this.#outcome === 'ended') return Promise.resolve('ended');
    const carries = this.#sids.has(sid);
    return Promise.resolve({
      sid, host: 'a:1', from: carries ? 'cache' : 'store', transport: carries ? 'websocket' : undefined, age: 1, expiresIn: 1, open: 1,
    });
  }

  end(sid: string): Promise<EndOutcome> {
    this.ended.push(sid);
    return this.#outcome === 'ended' ? Promise.resolve('ended') : Promise.reject(new Error('the host does not answer'));
  }

  endSome(): Promise<string[]> {
    return Promise.resolve([]);
  }
}

describe('whoever is asked to end a session that another member may carry', () => {
  const ODD = 'a b\n{c}';

  /** The asked one and the other one, which the test lets beat. */
  function start(carrier: Carrier): { world: ModelFleet; one: ModelMember; other: ModelMember; ends: FleetEnds } {
    const world = new ModelFleet();
    const [one, other] = [new ModelMember(world, 'one', ['a:1']), new ModelMember(world, 'other', ['a:1'])];
    const ends = new FleetEnds(one.fleet, new Carrier([]));
    new FleetEnds(other.fleet, carrier);
    return { world, one, other, ends };
  }

  /** The other one carries `x`, and there is a second one that may be asked. All know each other. */
  async function startThree(): Promise<ReturnType<typeof start> & { late: ModelMember; endsThere: FleetEnds }> {
    const { world, one, other, ends } = start(new Carrier(['x']));
    const late = new ModelMember(world, 'late', ['a:1']);
    const endsThere = new FleetEnds(late.fleet, new Carrier([]));
    await world.pass(1500, one, other, late);
    return { world, one, other, late, ends, endsThere };
  }

  it('learns that it has ended, and leaves nothing behind', async () => {
    const clock = stopClock();
    const carrier = new Carrier([ODD]);
    const { world, one, other, ends } = start(carrier);
    await world.pass(1500, one, other);
    const outcome = ends.end(ODD);
    await clock.advance(250);
    await world.pass(1500, other);
    await world.pass(1500, other);
    await clock.advance(250);
    expect([await outcome, carrier.ended]).toEqual(['ended', [ODD]]);
    world.time += 12_001;
    await world.pass(3000, one, other);
    for (const { fleet } of [one, other]) expect([...fleet.registers]).toEqual([]);
  });

  it('is told so twice where it asks twice, and so is another one that asks', async () => {
    const clock = stopClock();
    const carrier = new Carrier(['x']);
    const { world, one, other, ends } = start(carrier);
    const third = new ModelMember(world, 'third', ['a:1']);
    const endsThere = new FleetEnds(third.fleet, new Carrier([]));
    await world.pass(1500, one, other, third);
    const outcomes = [ends.end('x'), ends.end('x'), endsThere.end('x')];
    for (let i = 0; i < 4; i += 1) {
      await clock.advance(250);
      await world.pass(1500, other);
    }
    expect(await Promise.all(outcomes)).toEqual(['ended', 'ended', 'ended']);
    expect(carrier.ended).toEqual(['x']);
  });

  it('learns that it has ended where another one who asked has learnt that before', async () => {
    const clock = stopClock();
    const { world, one, other, late, ends, endsThere } = await startThree();
    const outcomes = [ends.end('x'), endsThere.end('x')];
    await world.pass(1500, late, one, other);
    await world.pass(3000, other, one);
    expect(await outcomes[0]).toBe('ended');
    await world.pass(1500, one);
    await clock.advance(250);
    expect(await outcomes[1]).toBe('ended');
  });

  it('still wants it ended where another one has given up', async () => {
    const clock = stopClock();
    const { world, one, other, late, ends, endsThere } = await startThree();
    const outcome = ends.end('x');
    await clock.advance(5900);
    const outcomeThere = endsThere.end('x');
    await world.pass(1500, late);
    // It gives up before it hears of the other one.
    world.isAway = true;
    await clock.advance(100);
    expect(await outcome).toBe('elsewhere');
    world.isAway = false;
    await world.pass(1500, one);
    await world.pass(4500, late, other);
    await clock.advance(250);
    expect(await outcomeThere).toBe('ended');
  });

  it.each([
    ['nobody carries it', new Carrier([])], ['its host does not answer', new Carrier(['x'], 'elsewhere')],
  ])('learns that it goes on where %s', async (_, carrier) => {
    const clock = stopClock();
    const { world, one, other, ends } = start(carrier);
    await world.pass(1500, one, other);
    const outcome = ends.end('x');
    let isOver = false;
    void outcome.then(() => isOver = true);
    await clock.advance(250);
    await world.pass(3000, other);
    await clock.advance(5749);
    expect(isOver).toBe(false);
    await clock.advance(1);
    expect(await outcome).toBe('elsewhere');
    await world.pass(3000, one, other);
    expect([...other.fleet.registers]).toEqual([]);
  });

  it('ends none long after it was asked, if it died meanwhile, and others clear what it has left', async () => {
    const carrier = new Carrier(['x', 'y']);
    const { world, one, other } = start(carrier);
    await world.pass(1500, one, other);
    one.fleet.write('end x', 'wanted');
    await world.pass(1500, one);
    world.time += 12_001;
    one.fleet.write('end y', 'wanted');
    await world.pass(1, one, other);
    expect(carrier.ended).toEqual(['y']);
    await world.pass(1, other);
    world.time += 12_001;
    await world.pass(3000, other);
    expect([...other.fleet.registers]).toEqual([]);
  });
});
