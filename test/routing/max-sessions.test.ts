import { open, openSeveral, statusesOf } from '../support/handshakes';
import { handshake, pollUrl, request, startServer } from '../support/http';
import { before, openWebSocket, startSessionHost, startSessionHosts } from '../support/session-host';
import { until } from '../support/until';

const FULL = { code: 'HOSTS_FULL', message: 'No host has room for another session' };

it('opens no more sessions than maxSessions on each host, also where they come at once', async () => {
  const { proxy, url } = await before(await startSessionHosts(2), { maxSessions: 15 });
  const statuses = statusesOf(await openSeveral(40, url));
  expect(statuses.filter((status) => status === 200)).toHaveLength(30);
  expect(proxy.hosts.map(({ sessions }) => sessions)).toEqual([15, 15]);
});

it('refuses a handshake with 503 and Retry-After, and serves the sessions that are open', async () => {
  const { url } = await before([await startSessionHost()], { maxSessions: 1 });
  const sid = await handshake(url);
  const refused = await open(url);
  expect([refused.status, refused.headers['retry-after'], refused.json()]).toEqual([503, '1', FULL]);
  expect((await request(pollUrl(url, sid), { method: 'POST', body: '2' })).status).toBe(200);
});

it('counts sessions by WebSocket, and has room again when one has ended', async () => {
  const { proxy, url } = await before([await startSessionHost()], { maxSessions: 2 });
  const [first] = [await openWebSocket(url), await openWebSocket(url)];
  expect((await open(url)).json()).toEqual(FULL);
  await expect(openWebSocket(url)).rejects.toThrow('503');
  first.terminate();
  await until('it has ended', () => proxy.hosts[0]?.sessions === 1);
  expect((await open(url)).status).toBe(200);
});

it('does not let a handshake wait for its turn that no host has room for', async () => {
  const { url } = await before([await startSessionHost()], { maxSessions: 1, maxHandshakesPerSecond: 0.1 });
  await handshake(url);
  expect((await open(url)).json()).toEqual(FULL);
});

it('concerns no request that opens no session', async () => {
  const { url } = await before([await startSessionHost()], { maxSessions: 1 });
  await handshake(url);
  const preflight = await request(`${url}/socket.io/?EIO=4&transport=polling`, { method: 'OPTIONS' });
  expect(preflight.status).not.toBe(503);
});

it('sends a handshake that could not reach its host to none that is full', async () => {
  const full = await startSessionHost();
  const { proxy, url } = await before([full], { maxSessions: 1, checkInterval: 60_000 });
  await handshake(url);
  const dead = await startServer((_, res) => res.end());
  proxy.addHost(dead.name);
  await until('it is up', () => proxy.hosts[1]?.state === 'up');
  dead.server.close();
  dead.server.closeAllConnections();
  expect((await open(url)).status).toBeGreaterThanOrEqual(502);
  expect(full.sids).toHaveLength(1);
});
