import { MemoryStore } from '../../src';
import { operatedBefore } from '../support/admin';
import { handshake } from '../support/http';
import { openWebSocket, startSessionHost } from '../support/session-host';
import { until } from '../support/until';

it('tells by a code why no session has a sid', async () => {
  const host = await startSessionHost(100);
  const store = new MemoryStore();
  const { url, proxy, ask } = await operatedBefore([host], { store, keyExpiry: 1 });
  const expired = await handshake(url);
  (await openWebSocket(url)).terminate();
  await store.bind('elsewhere', 'elsewhere:80', 60);
  await until('both have ended', () => proxy.hosts.every(({ sessions, tunnels }) => sessions + tunnels === 0));
  await until('the store has forgotten one', async () => await store.find(expired, 1) === undefined);
  const answers = (method: string): Promise<unknown[]> =>
    Promise.all([expired, host.sids[1], 'elsewhere', 'x'.repeat(513), 'none'].map(async (sid) => {
      const { status, body } = await ask(`${method} /api/sessions/${sid}`);
      return [status, body && (JSON.parse(body) as { code: unknown }).code];
    }));
  expect(await answers('GET')).toEqual([[404, 'EXPIRED'], [404, 'ENDED'], [404, 'HOST_GONE'], [404, 'NEVER_SEEN'], [404, 'NEVER_SEEN']]);
  // What has ended is ended, whoever has done it.
  expect(await answers('DELETE')).toEqual([[404, 'EXPIRED'], [204, ''], [404, 'HOST_GONE'], [404, 'NEVER_SEEN'], [404, 'NEVER_SEEN']]);
});
