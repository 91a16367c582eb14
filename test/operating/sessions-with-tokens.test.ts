import { once } from 'node:events';
import { SidStore } from '../../src';
import { handshake, pollUrl, request } from '../support/http';
import { before, openWebSocket, startSessionHost, startSessionHosts } from '../support/session-host';
import { SECRET } from '../support/stores';
import { until } from '../support/until';

const options = { store: new SidStore({ secret: SECRET }) };

/** As its host knows it. */
const bare = (sid: string): string => sid.slice(0, sid.lastIndexOf('.'));

it('finds a session by the sid that its client has, and by the one in the log of its host', async () => {
  const hosts = await startSessionHosts(3);
  const { proxy, url } = await before(hosts, options);
  const sids = await Promise.all(Array.from({ length: 6 }, () => handshake(url)));
  for (const sid of sids) {
    const host = hosts.find((each) => each.sids.includes(bare(sid)))?.name;
    expect(await proxy.findSession(sid)).toMatchObject({ sid, host, from: 'cache' });
    expect(await proxy.findSession(bare(sid))).toMatchObject({ sid, host, from: 'cache' });
  }
  expect(await proxy.findSession('unknown')).toBe('never_seen');
  expect(await proxy.findSession(`${sids[0]}x`)).toBe('never_seen');
});

it('ends a session by either sid, also one that another proxy has opened', async () => {
  const host = await startSessionHost();
  const [one, other] = [await before([host], options), await before([host], options)];
  const [first, second, third] = [await handshake(one.url), await handshake(one.url), await handshake(one.url)];
  expect(await one.proxy.endSession(bare(first))).toBe('ended');
  expect(await one.proxy.endSession(second)).toBe('ended');
  expect(await other.proxy.findSession(third)).toMatchObject({ sid: third, host: host.name, from: 'store' });
  // It is known there by its token alone.
  expect(await other.proxy.endSession(bare(third))).toBe('never_seen');
  const moved = async (): Promise<unknown> => (await other.proxy.parts.operations.totals()).hosts[host.name]?.moved;
  expect(await other.proxy.endSession(third)).toBe('ended');
  expect(await moved()).toBe(1);
  // And once more: it is over, by its absence there or by what its host says.
  for (const sid of [third, second]) expect(await other.proxy.endSession(sid)).toBe('ended');
  expect(await moved()).toBe(1);
});

it('tells of a session by its token only where its host still has it', async () => {
  const host = await startSessionHost();
  const [one, other] = [await before([host], options), await before([host], options)];
  const sid = await handshake(one.url);
  expect(await other.proxy.findSession(sid)).toMatchObject({ sid, from: 'store', expiresIn: undefined, age: undefined });
  host.hasForgotten = true;
  expect(await other.proxy.findSession(sid)).toBe('ended');
  expect((await request(pollUrl(other.url, sid))).body).toContain('Session ID unknown');
  const { proxy } = await before([await startSessionHost()], options);
  expect(await proxy.findSession(sid)).toBe('host_gone');
});

it('finds a session by the sid of its host also where an older secret has made its token', async () => {
  const host = await startSessionHost();
  const rotated = { store: new SidStore({ secret: ['n'.repeat(32), SECRET] }) };
  const [older, newer] = [await before([host], options), await before([host], rotated)];
  const sid = await handshake(older.url);
  expect((await request(pollUrl(newer.url, sid), { method: 'POST', body: '2' })).status).toBe(200);
  expect(await newer.proxy.findSession(bare(sid))).toMatchObject({ sid, from: 'cache' });
  expect(await newer.proxy.endSession(bare(sid))).toBe('ended');
});

describe('a session that a proxy finds by its token', () => {
  it('counts once its host has served a request of it, and not for a preflight, nor where it is over', async () => {
    const host = await startSessionHost();
    const [one, other] = [await before([host], options), await before([host], options)];
    const sids = [await handshake(one.url), await handshake(one.url), await handshake(one.url), await handshake(one.url)] as const;
    const sessions = (): unknown => other.proxy.hosts[0]?.sessions;
    await one.proxy.endSession(sids[0]);
    expect((await request(pollUrl(other.url, sids[0]), { method: 'POST', body: '2' })).status).toBe(400);
    await request(pollUrl(other.url, sids[1]), { method: 'OPTIONS' });
    expect(sessions()).toBe(0);
    await request(pollUrl(other.url, sids[1]), { method: 'POST', body: '2' });
    expect(sessions()).toBe(1);
    await openWebSocket(other.url, sids[2]);
    expect(sessions()).toBe(2);
    const [poll] = [request(pollUrl(other.url, sids[3])), await once(host, 'poll')];
    expect(sessions()).toBe(2);
    host.answer();
    await poll;
    expect(sessions()).toBe(3);
  });

  it('is seen and ended with its poll, which the proxy holds though its host has not confirmed it yet', async () => {
    const host = await startSessionHost();
    const [one, other] = [await before([host], options), await before([host], options)];
    const sid = await handshake(one.url);
    const [poll] = [request(pollUrl(other.url, sid)).catch(() => 'cut'), await once(host, 'poll')];
    expect(await other.proxy.findSession(sid)).toMatchObject({ sid, from: 'cache', transport: 'polling', open: 1 });
    expect(await other.proxy.endSession(sid)).toBe('ended');
    expect(await poll).toBe('cut');
    await until('nothing counts', () => other.proxy.hosts.every(({ sessions, requests }) => sessions + requests === 0));
  });

  it('does not count again after it was moved, so that a drain is over and a rebalance moves no more than it has to', async () => {
    const hosts = await startSessionHosts(2);
    const { proxy, url } = await before(hosts.slice(0, 1), options);
    const sids = await Promise.all(Array.from({ length: 10 }, () => handshake(url)));
    proxy.addHost(hosts[1]?.name ?? '');
    await once(proxy, 'up');
    let moved = -1;
    proxy.once('rebalanced', (count) => (moved = count));
    proxy.rebalance({ perMinute: 6000 });
    // Clients whose sessions have ended ask once more, and then come back.
    const ended = new Set<string>();
    await until('it is over, and all that it has moved have come back', async () => {
      for (const sid of sids.filter((each) => !ended.has(each))) {
        if ((await request(pollUrl(url, sid), { method: 'POST', body: '2' })).status === 200) continue;
        ended.add(sid);
        await handshake(url);
      }
      return ended.size === moved;
    });
    // A difference of one session is even enough. Who comes back once it is over may get either host.
    expect([4, 5]).toContain(moved);
    expect(proxy.hosts.reduce((sum, { sessions }) => sum + sessions, 0)).toBe(10);
  });
});

it('drains a host until none of its sessions is left that the proxy knows, and moves them by a deadline', async () => {
  const hosts = await startSessionHosts(2);
  const { proxy, url } = await before(hosts, { ...options, balance: 'round-robin' });
  const [first] = [await handshake(url), await handshake(url)];
  await openWebSocket(url);
  const on = hosts.find(({ sids }) => sids.includes(bare(first)))?.name ?? '';
  const drained = once(proxy, 'drained');
  proxy.drainHost(on, { deadline: 0.001 });
  expect(await drained).toEqual([on]);
  expect(proxy.hosts.find(({ host }) => host === on)).toMatchObject({ sessions: 0, tunnels: 0 });
});
