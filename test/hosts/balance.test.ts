import type { IncomingMessage } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import Proxy, { MemoryStore } from '../../src';
import type { HealthSource } from '../../src/hosts/health-checker';
import { Host } from '../../src/hosts/host';
import { Hosts, type HostsOptions } from '../../src/hosts/hosts';
import { onCleanup } from '../support/cleanup';
import { settle, stopClock, type Clock } from '../support/clock';
import { requestsOf } from '../support/handshakes';
import { handshake, pollUrl, request } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { openWebSocket, startSessionHosts, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

type Options = Partial<Proxy.ProxyOptions>;

/** A proxy before hosts with these weights, all of which are up. */
async function balanced(weights: number[], options: Options): Promise<Started & { hosts: SessionHost[] }> {
  const hosts = await startSessionHosts(weights.length);
  const entries = hosts.map(({ name }, i) => ({ host: name, weight: weights[i] ?? 1 }));
  const proxy = await startProxy({ hosts: entries, ...options });
  await until('all are up', () => proxy.proxy.hosts.every(({ state }) => state === 'up'));
  return { ...proxy, hosts };
}

const opened = (hosts: SessionHost[]): number[] => hosts.map(({ sids }) => sids.length);

/** Opens sessions one after the other, and resolves with the index of the host of each. */
async function inTurn(count: number, url: string, hosts: SessionHost[]): Promise<number[]> {
  const turns: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const sid = await handshake(url);
    turns.push(hosts.findIndex(({ sids }) => sids.includes(sid)));
  }
  return turns;
}

const [HANDSHAKE] = requestsOf(1) as [IncomingMessage];

/** Hosts of these weights, all of which are up. */
function hostsOf(weights: number[], options: Partial<HostsOptions>): Hosts {
  const all = weights.map((weight, i) => new Host(`host-${i}:3000`, weight));
  const hosts = new Hosts(all, { balance: 'random', slowStart: 0, maxSessions: undefined, unhealthyAfter: 1, healthyAfter: 1, ...options });
  for (const host of all) hosts.report(host, undefined);
  return hosts;
}

/** So many sessions are opened one after the other: the index of the host of each. */
function picks(count: number, hosts: Hosts): number[] {
  return Array.from({ length: count }, () => {
    const host = hosts.pick(HANDSHAKE, true);
    if (host) host.sessions += 1;
    return host ? hosts.all.indexOf(host) : -1;
  });
}

/** How many of them each host has got. */
const counts = (turns: number[], of = 3): number[] => Array.from({ length: of }, (_, host) => turns.filter((turn) => turn === host).length);

describe('random', () => {
  it('gives each host its share by weight, and none with 0', () => {
    const [light = 0, heavy = 0, none] = counts(picks(80_000, hostsOf([1, 3, 0], {})));
    expect([light + heavy, none]).toEqual([80_000, 0]);
    // 60,000, with a standard deviation of 122: seven of them.
    expect(Math.abs(heavy - 60_000)).toBeLessThan(860);
  });

  it('is the default', async () => {
    const { hosts, url } = await balanced([1, 1], {});
    // Of any two turns the others give one to each host. Chance does so with thirty in no case of a billion.
    expect((await inTurn(60, url, hosts)).join('')).toMatch(/^(?:..)*(?:00|11)/);
  });
});

describe('round-robin', () => {
  it('gives each host its turn, and spreads those of a heavy one among those of the others', () => {
    expect(picks(9, hostsOf([1, 1, 1], { balance: 'round-robin' }))).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2]);
    expect(picks(14, hostsOf([5, 1, 1, 0], { balance: 'round-robin' }))).toEqual([0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
  });

  it('follows weights that change', async () => {
    const { proxy, hosts, url } = await balanced([1, 1], { balance: 'round-robin' });
    await inTurn(2, url, hosts);
    proxy.setWeight(hosts[1]?.name ?? '', 3);
    expect((await inTurn(8, url, hosts)).filter((turn) => turn === 1)).toHaveLength(6);
    proxy.setWeight(hosts[0]?.name ?? '', 0);
    expect(await inTurn(3, url, hosts)).toEqual([1, 1, 1]);
  });
});

describe('least-connections', () => {
  it('fills the hosts by weight, and leaves it to chance where several have as few', () => {
    expect(counts(picks(40, hostsOf([1, 1, 2, 0], { balance: 'least-connections' })), 4)).toEqual([10, 10, 20, 0]);
    const first = Array.from({ length: 3000 }, () => picks(1, hostsOf([1, 1, 1], { balance: 'least-connections' }))).flat();
    // A thousand each, with a standard deviation of 26.
    for (const count of counts(first)) expect(Math.abs(count - 1000)).toBeLessThan(200);
  });

  it('fills them as evenly with handshakes that come at once', async () => {
    const { hosts, url } = await balanced([1, 1, 1], { balance: 'least-connections' });
    await Promise.all(Array.from({ length: 30 }, () => handshake(url)));
    expect(opened(hosts)).toEqual([10, 10, 10]);
  });

  it('does not count requests that have opened no session', async () => {
    const { proxy, hosts, url } = await balanced([1, 0], { balance: 'least-connections' });
    for (let i = 0; i < 5; i += 1) await request(`${url}/socket.io/?EIO=4&transport=polling`, { method: 'OPTIONS' });
    proxy.setWeight(hosts[1]?.name ?? '', 1);
    expect((await inTurn(10, url, hosts)).filter((turn) => turn === 0)).toHaveLength(5);
  });

  it('counts a WebSocket and its session once, and no longer when it has ended', async () => {
    const { proxy, hosts, url } = await balanced([1, 0], { balance: 'least-connections' });
    const sockets = await Promise.all(Array.from({ length: 3 }, () => openWebSocket(url)));
    proxy.setWeight(hosts[1]?.name ?? '', 1);
    expect(await inTurn(3, url, hosts)).toEqual([1, 1, 1]);
    // With as many sessions on either: had the first one more for each WebSocket, they would all go to the second.
    expect((await inTurn(4, url, hosts)).sort()).toEqual([0, 0, 1, 1]);
    for (const socket of sockets) socket.terminate();
    await until('they have ended', () => proxy.hosts[0]?.sessions === 2);
    expect(await inTurn(3, url, hosts)).toEqual([0, 0, 0]);
  });

  it('does not count a handshake on a host that it could not reach', async () => {
    const [dead, alive] = await startSessionHosts(2) as [SessionHost, SessionHost];
    const hosts = new Map<string, Host>();
    const healthSource = (all: Hosts): HealthSource => {
      for (const host of all.all) {
        hosts.set(host.name, host);
        all.report(host, undefined);
      }
      return { ready: true, start: () => Promise.resolve(), stop: () => {} };
    };
    const options = { store: new MemoryStore(), hosts: [dead.name, alive.name], balance: 'least-connections', drainTimeout: 0 } as const;
    const proxy = new Proxy(options, { healthSource });
    onCleanup(() => proxy.close());
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    await dead.stop();
    // The second one goes there at the latest, where there are the fewest sessions, and then elsewhere.
    for (let i = 0; i < 2; i += 1) await handshake(`http://127.0.0.1:${(proxy.server.address() as AddressInfo).port}`);
    expect(hosts.get(dead.name)).toMatchObject({ downReason: 'refused', load: 0, requests: 0 });
    expect(alive.sids).toHaveLength(2);
    expect(hosts.get(alive.name)).toMatchObject({ load: 2, requests: 0 });
  });

  it('does not count requests', async () => {
    const { proxy, hosts, url } = await balanced([1, 0], { balance: 'least-connections' });
    const [busy, other] = hosts as [SessionHost, SessionHost];
    const sid = await handshake(url);
    proxy.setWeight(busy.name, 0);
    proxy.setWeight(other.name, 1);
    await inTurn(2, url, hosts);
    proxy.setWeight(busy.name, 1);
    let held = 0;
    busy.on('poll', () => (held += 1));
    const polls = Array.from({ length: 5 }, () => request(pollUrl(url, sid)));
    await until('the polls are held', () => held === 5);
    expect(proxy.hosts[0]?.requests).toBe(5);
    await handshake(url);
    expect(opened([busy, other])).toEqual([2, 2]);
    busy.answer();
    await Promise.all(polls);
    await until('none is under way', () => proxy.hosts.every(({ requests }) => requests === 0));
  });
});

describe('a function', () => {
  it('is given the hosts that may have a session and the handshake, and names one', async () => {
    const calls: [hosts: readonly Proxy.HostStatus[], request: IncomingMessage][] = [];
    const { proxy, hosts, url } = await balanced([2, 1, 0, 1], {
      checkInterval: 20,
      balance: (candidates, req) => {
        calls.push([candidates, req]);
        return candidates.at(-1)?.host;
      },
    });
    const [first, second, , fourth] = hosts as [SessionHost, SessionHost, SessionHost, SessionHost];
    proxy.drainHost(fourth.name);
    expect(await inTurn(3, url, hosts)).toEqual([1, 1, 1]);
    const [candidates, req] = calls.at(-1) ?? [];
    expect(candidates).toEqual([
      { host: first.name, state: 'up', downReason: undefined, draining: false, weight: 2, sessions: 0, tunnels: 0, requests: 0, polls: 0 },
      { host: second.name, state: 'up', downReason: undefined, draining: false, weight: 1, sessions: 2, tunnels: 0, requests: 0, polls: 0 },
    ]);
    expect(req?.url).toBe('/socket.io/?EIO=4&transport=polling');
    second.health = 503;
    await once(proxy, 'down');
    await openWebSocket(url);
    expect(calls.at(-1)?.[0].map(({ host }) => host)).toEqual([first.name]);
    expect(calls.at(-1)?.[1].headers.upgrade).toBe('websocket');
    proxy.drainHost(first.name);
    expect((await request(`${url}/socket.io/?EIO=4&transport=polling`)).status).toBe(503);
    expect(calls).toHaveLength(4);
  });

  it.each<[what: string, balance: () => unknown]>([
    ['throws', () => {
      throw new Error('no host for you');
    }],
    ['names no host', () => 'elsewhere.example:3000'],
    ['names a host that is draining', () => 'host-0:3000'],
    ['returns no string', () => ({})],
    ['returns a promise that is rejected', () => Promise.reject(new Error('late'))],
    ['returns undefined', () => undefined],
  ])('that %s leaves it to chance', (_, balance) => {
    const hosts = hostsOf([1, 1, 1], { balance: balance as () => string });
    hosts.drain('host-0:3000');
    const [none, second = 0, third = 0] = counts(picks(200, hosts));
    expect([none, second + third]).toEqual([0, 200]);
    expect(Math.min(second, third)).toBeGreaterThan(40);
  });

  it('is asked again for a handshake whose host can not be reached, without that host', async () => {
    const calls: string[][] = [];
    const { hosts, url } = await balanced([1, 1], {
      // No health check is to find it down before the handshake does.
      checkInterval: 60_000,
      balance: (candidates) => {
        calls.push(candidates.map(({ host }) => host));
        return candidates[0]?.host;
      },
    });
    const [first, second] = hosts as [SessionHost, SessionHost];
    await first.stop();
    expect(await handshake(url)).toBe(second.sids[0]);
    expect(calls).toEqual([[first.name, second.name], [second.name]]);
  });

  it('may return a promise that is rejected, which ends no process', async () => {
    const unhandled: unknown[] = [];
    const onRejection = (error: unknown): unknown => unhandled.push(error);
    process.on('unhandledRejection', onRejection);
    onCleanup(() => process.off('unhandledRejection', onRejection));
    picks(1, hostsOf([1], { balance: (() => Promise.reject(new Error('late'))) as never }));
    // Node tells of a rejection that nobody handles once the microtasks are through.
    await settle();
    expect(unhandled).toEqual([]);
  });
});

it.each([
  ['random', 'random'], ['round-robin', 'round-robin'], ['least-connections', 'least-connections'], ['a function', () => 'host-0:3000'],
] as const)('picks no host where there is none: %s', (_, balance) => {
  expect(picks(1, hostsOf([], { balance }))).toEqual([-1]);
});

describe('slowStart', () => {
  const options = { balance: 'round-robin', slowStart: 600_000 } as const;
  const turnsOfSecond = (hosts: Hosts): number => counts(picks(22, hosts))[1] ?? NaN;

  let clock: Clock;

  beforeEach(() => {
    clock = stopClock();
  });

  it('does not concern the hosts that the first health checks find up, nor those that are added before', () => {
    expect(turnsOfSecond(hostsOf([1, 1], options))).toBe(11);
    const hosts = new Hosts([new Host('host-0:3000')], { ...options, unhealthyAfter: 1, healthyAfter: 1, maxSessions: undefined });
    hosts.add(new Host('host-1:3000'));
    for (const host of hosts.all) hosts.report(host, undefined);
    expect(turnsOfSecond(hosts)).toBe(11);
  });

  it.each<[string, (hosts: Hosts) => void]>([
    ['has come up again', (hosts) => {
      for (const found of ['failing', undefined] as const) hosts.report(hosts.named('host-1:3000'), found);
    }],
    ['was added', (hosts) => {
      hosts.remove('host-1:3000');
      hosts.add(new Host('host-1:3000'));
      hosts.report(hosts.named('host-1:3000'), undefined);
    }],
  ])('begins with a tenth of the weight for a host that %s, which grows to the whole', async (_, come) => {
    const hosts = hostsOf([1, 1], options);
    await clock.advance(3_600_000);
    come(hosts);
    expect(turnsOfSecond(hosts)).toBe(2);
    const shares: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      shares.push(hosts.named('host-1:3000').share);
      await clock.advance(i === 3 ? 149_999 : 150_000);
    }
    expect(shares.map((share) => Math.round(share * 1e5) / 1e5)).toEqual([0.1, 0.325, 0.55, 0.775, 1]);
    expect([shares[4] === 1, hosts.named('host-1:3000').share]).toEqual([false, 1]);
    expect(turnsOfSecond(hosts)).toBe(11);
  });

  it('is given by the option', async () => {
    const [first, second] = await startSessionHosts(2) as [SessionHost, SessionHost];
    const { proxy, url } = await startProxy({ ...options, hosts: [first.name] });
    await once(proxy, 'up');
    proxy.addHost(second.name);
    await once(proxy, 'up');
    expect((await inTurn(11, url, [first, second])).filter((turn) => turn === 1)).toHaveLength(1);
  });
});
