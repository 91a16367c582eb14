import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { MemoryStore } from '../src';
import { startHost } from './support/hosts';
import { handshake, pollUrl, request } from './support/http';
import { startProxy } from './support/proxy';
import { openClient, uniqueKeyPrefix } from './support/redis';
import { before, startSessionHost } from './support/session-host';
import { until } from './support/until';

const HOUR = 3_600_000;

/** Puts the clock forward, or back, as time synchronisation does. */
function shiftClock(ms: number): void {
  const { now } = Date;
  jest.spyOn(Date, 'now').mockImplementation(() => now() + ms);
}

afterEach(() => jest.restoreAllMocks());

const post = (url: string, sid: string): Promise<{ status: number }> => request(pollUrl(url, sid), { method: 'POST', body: '2' });

describe('a clock that is put back or forward', () => {
  it.each([-HOUR, HOUR])('by %d ms lets no binding expire in the store while its session is used', async (ms) => {
    const [redisClient, keyPrefix] = [await openClient(), uniqueKeyPrefix()];
    // Its binding lives for four seconds.
    const { url } = await before([await startSessionHost(3000)], { store: undefined, redisClient, keyPrefix, keyExpiry: 1 });
    const sid = await handshake(url);
    shiftClock(ms);
    for (const end = performance.now() + 2500; performance.now() < end;) {
      await post(url, sid);
      await sleep(50);
    }
    await until('it has been renewed', async () => {
      await post(url, sid);
      return await redisClient.pTTL(keyPrefix + sid) > 2000;
    });
  });

  it.each([-HOUR, HOUR])('by %d ms changes nothing in what is known of a session', async (ms) => {
    const { proxy, url } = await before([await startSessionHost()], { keyExpiry: 4 });
    const opened = performance.now();
    const sid = await handshake(url);
    shiftClock(ms);
    // What has expired is looked for twice a second.
    await sleep(1200);
    expect(proxy.hosts).toMatchObject([{ sessions: 1 }]);
    const found = await proxy.findSession(sid);
    expect(found).toMatchObject({ from: 'cache' });
    const { age, expiresIn } = found as { age: number; expiresIn: number };
    expect([age > 1, age * 1000 < performance.now() - opened, expiresIn > 0, expiresIn < 60]).toEqual([true, true, true, true]);
  });

  it('leaves sessions with a host that is silent, as long as they are in any case', async () => {
    const host = await startHost();
    const store = new MemoryStore();
    // It has time to answer, before it is frozen.
    const sid = await handshake((await startProxy({ hosts: [host.name], store })).url);
    host.freeze();
    const { proxy, url } = await startProxy({ hosts: [host.name], store, checkInterval: 100, checkTimeout: 200, hostTimeout: 500 });
    expect(await once(proxy, 'down')).toEqual([host.name, 'silent']);
    shiftClock(HOUR);
    expect(await post(url, sid)).toMatchObject({ status: 504 });
  });
});
