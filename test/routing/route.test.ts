import type { IncomingMessage } from 'node:http';
import { MemoryStore } from '../../src';
import { refusals, type Refusal } from '../../src/base/refusals';
import { Host } from '../../src/hosts/host';
import { Hosts } from '../../src/hosts/hosts';
import { reroute, routeTo, type Route } from '../../src/routing/route';
import { Bindings } from '../../src/sessions/bindings';
import { onCleanup } from '../support/cleanup';
import { stopClock, type Clock } from '../support/clock';
import { AT_HOST } from '../support/known-bindings';
import { requestsOf } from '../support/handshakes';

const [REQUEST] = requestsOf(1) as [IncomingMessage];
/** Says nothing about the host: this process lacks ports. */
const NO_PORT = 'EADDRNOTAVAIL';

let clock: Clock;
let hosts: Hosts;
let bindings: Bindings;

beforeEach(() => {
  clock = stopClock();
  const all = [new Host('a:1'), new Host('b:1'), new Host('c:1')];
  hosts = new Hosts(all, { balance: 'least-connections', slowStart: 0, maxSessions: undefined, unhealthyAfter: 3, healthyAfter: 1 });
  for (const host of all) hosts.report(host, undefined);
  bindings = new Bindings(new MemoryStore(), hosts, { ...AT_HOST, keyExpiry: 60, cacheSize: 10, storeTimeout: 1000 });
  onCleanup(() => bindings.close());
});

/** What becomes of a request for which no connection could be made. */
function failed(route: Route, code: string, hostTimeout = 60_000): Refusal | number {
  return reroute(route, REQUEST, Object.assign(new Error(code), { code }), { hosts, bindings, connectTimeout: 5000, hostTimeout });
}

async function session(): Promise<Route> {
  const host = hosts.named('a:1');
  return routeTo(host, await bindings.bind('sid', host, 45), false);
}

describe('a session\'s request that cannot reach its host', () => {
  it.each([
    ['ETIMEDOUT', 'from when it was sent', 15_000], [NO_PORT, 'from when it failed', 20_000],
  ])('tries again for 20 s (%s), counted %s', async (code, _, ms) => {
    const route = await session();
    expect(failed(route, code)).toEqual(expect.any(Number));
    await clock.advance(ms - 1);
    expect(failed(route, code)).toEqual(expect.any(Number));
    await clock.advance(1);
    expect(failed(route, code)).toBe(refusals.hostUnreached);
    expect(route.host.name).toBe('a:1');
  });

  it('tries again for no longer than hostTimeout', async () => {
    const route = await session();
    failed(route, NO_PORT, 3000);
    await clock.advance(2999);
    expect(failed(route, NO_PORT, 3000)).toEqual(expect.any(Number));
    await clock.advance(1);
    expect(failed(route, NO_PORT, 3000)).toBe(refusals.hostUnreached);
  });

  it('tries again at once after a timeout, and else after a second, more or less', async () => {
    const route = await session();
    expect(failed(route, 'ETIMEDOUT')).toBe(0);
    const random = jest.spyOn(Math, 'random');
    const pauses = [0, 0.5, 1].map((value) => {
      random.mockReturnValue(value);
      return failed(route, NO_PORT);
    });
    expect(pauses).toEqual([750, 1000, 1250]);
  });

  it('is refused at once where that is gone, and its session counts no longer', async () => {
    const route = await session();
    const { host } = route;
    expect(host.sessions).toBe(1);
    hosts.remove('a:1');
    expect(failed(route, NO_PORT)).toBe(refusals.host_gone);
    expect(host.sessions).toBe(0);
  });
});

describe('a handshake that cannot reach a host', () => {
  it('goes to each of the others, and is refused after the last', () => {
    const route = routeTo(hosts.named('a:1'), undefined, true);
    expect(failed(route, NO_PORT)).toBe(0);
    const second = route.host;
    expect(failed(route, NO_PORT)).toBe(0);
    expect(new Set(['a:1', second.name, route.host.name]).size).toBe(3);
    expect(failed(route, NO_PORT)).toBe(refusals.hostUnreached);
  });

  it('is told where no host is up any more', () => {
    const route = routeTo(hosts.named('a:1'), undefined, true);
    for (let i = 0; i < 2; i += 1) expect(failed(route, 'ECONNREFUSED')).toBe(0);
    expect(failed(route, 'ECONNREFUSED')).toBe(refusals.noHost);
  });
});
