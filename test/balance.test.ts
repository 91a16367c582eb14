import type { IncomingMessage } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import Proxy, { MemoryStore } from '../src';
import type { HealthSource } from '../src/health-checker';
import { Host } from '../src/host';
import { Hosts } from '../src/hosts';
import { onCleanup } from './support/cleanup';
import { handshake, pollUrl, request } from './support/http';
import { startProxy, type Started } from './support/proxy';
import { openWebSocket, startSessionHosts, type SessionHost } from './support/session-host';
import { until } from './support/until';

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

async function openMany(count: number, url: string): Promise<void> {
  for (let i = 0; i < count; i += 50) {
    await Promise.all(Array.from({ length: Math.min(50, count - i) }, () => handshake(url)));
  }
}

describe('random', () => {
  it.each<[name: string, options: Options]>([['named', { balance: 'random' }], ['by default', {}]])(
    'gives each host its share by weight, and none with 0: %s',
    async (_, options) => {
      const { hosts, url } = await balanced([1, 3, 0], options);
      await openMany(800, url);
      const [light = 0, heavy = 0, none] = opened(hosts);
      expect(none).toBe(0);
      expect(light + heavy).toBe(800);
      // 600, with a standard deviation of 12: seven of them.
      expect(Math.abs(heavy - 600)).toBeLessThan(86);
    },
  );
});

describe('round-robin', () => {
  it('gives each host its turn', async () => {
    const { hosts, url } = await balanced([1, 1, 1], { balance: 'round-robin' });
    expect(await inTurn(9, url, hosts)).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2]);
  });

  it('spreads the turns of a heavy host among those of the others', async () => {
    const { hosts, url } = await balanced([5, 1, 1, 0], { balance: 'round-robin' });
    expect(await inTurn(14, url, hosts)).toEqual([0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
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
  it('fills the hosts by weight', async () => {
    const { hosts, url } = await balanced([1, 1, 2, 0], { balance: 'least-connections' });
    await inTurn(40, url, hosts);
    expect(opened(hosts)).toEqual([10, 10, 20, 0]);
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

  it('leaves it to chance where several have as few', async () => {
    const { proxy, hosts, url } = await balanced([1, 1, 1], { balance: 'least-connections' });
    const first = new Set<number>();
    for (let i = 0; i < 60 && first.size < 3; i += 1) {
      first.add((await inTurn(1, url, hosts))[0] ?? -1);
      // Forgets all sessions.
      for (const { name } of hosts) {
        proxy.removeHost(name);
        proxy.addHost(name);
      }
      await until('all are up', () => proxy.hosts.every(({ state }) => state === 'up'));
    }
    expect([...first].sort()).toEqual([0, 1, 2]);
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

  it.each<[what: string, balance: (draining: string) => unknown]>([
    ['throws', () => {
      throw new Error('no host for you');
    }],
    ['names no host', () => 'elsewhere.example:3000'],
    ['names a host that is draining', (draining) => draining],
    ['returns no string', () => ({})],
    ['returns a promise that is rejected', () => Promise.reject(new Error('late'))],
    ['returns undefined', () => undefined],
  ])('that %s leaves it to chance', async (_, balance) => {
    let draining = '';
    const { proxy, hosts, url } = await balanced([1, 1, 1], { balance: () => balance(draining) as string });
    draining = hosts[0]?.name ?? '';
    proxy.drainHost(draining);
    await openMany(60, url);
    const [none, second = 0, third = 0] = opened(hosts);
    expect(none).toBe(0);
    // That one of two gets less than 8 of 60 has a chance of one in a hundred million.
    expect(Math.min(second, third)).toBeGreaterThan(7);
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
});

describe('slowStart', () => {
  const options = { balance: 'round-robin', checkInterval: 20, slowStart: 600_000 } as const;
  const turnsOfSecond = async (url: string, hosts: SessionHost[]): Promise<number> =>
    (await inTurn(22, url, hosts)).filter((turn) => turn === 1).length;

  it('does not concern the hosts that the first health checks find up', async () => {
    const { hosts, url } = await balanced([1, 1], options);
    expect(await turnsOfSecond(url, hosts)).toBe(11);
  });

  it('begins with a tenth of the weight for a host that has come up again', async () => {
    const { proxy, hosts, url } = await balanced([1, 1], options);
    const [, second] = hosts as [SessionHost, SessionHost];
    second.health = 503;
    await once(proxy, 'down');
    second.health = 400;
    await once(proxy, 'up');
    expect(await turnsOfSecond(url, hosts)).toBe(2);
  });

  it('begins with a tenth of the weight for a host that was added', async () => {
    const [first, second] = await startSessionHosts(2) as [SessionHost, SessionHost];
    const { proxy, url } = await startProxy({ ...options, hosts: [first.name] });
    await once(proxy, 'up');
    proxy.addHost(second.name);
    await once(proxy, 'up');
    expect(await turnsOfSecond(url, [first, second])).toBe(2);
  });

  it('is no concern of hosts that are added before the first health checks', async () => {
    const [first, second] = await startSessionHosts(2) as [SessionHost, SessionHost];
    const hosts = new Hosts([new Host(first.name)], { balance: 'random', slowStart: 1000, unhealthyAfter: 1, healthyAfter: 1 });
    const added = new Host(second.name);
    hosts.add(added);
    for (const host of hosts.all) hosts.report(host, undefined);
    expect(added.share).toBe(1);
  });

  it('lets the weight grow to the whole', async () => {
    const host = new Host('localhost:3000', 50);
    const hosts = new Hosts([host], { balance: 'random', slowStart: 1000, unhealthyAfter: 1, healthyAfter: 1 });
    hosts.report(host, 'failing');
    hosts.report(host, undefined);
    const shares: number[] = [];
    await until('it has its whole weight', () => shares.push(host.share) && host.share === 50);
    expect(shares[0]).toBeGreaterThanOrEqual(5);
    expect(shares[0]).toBeLessThan(25);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(new Set(shares).size).toBeGreaterThan(2);
  });
});
