import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { startHost } from './support/hosts';
import { handshake, pollUrl, request } from './support/http';
import { startProxy } from './support/proxy';
import { openClient, uniqueKeyPrefix } from './support/redis';
import { before, startSessionHost } from './support/session-host';

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
    const { url } = await before([await startSessionHost(500)], { store: undefined, redisClient, keyPrefix, keyExpiry: 1 });
    const sid = await handshake(url);
    shiftClock(ms);
    for (const end = performance.now() + 2500; performance.now() < end;) {
      await post(url, sid);
      await sleep(50);
    }
    expect(await redisClient.exists(keyPrefix + sid)).toBe(1);
  });

  it.each([-HOUR, HOUR])('by %d ms changes nothing in what is known of a session', async (ms) => {
    const { proxy, url } = await before([await startSessionHost()], { keyExpiry: 4 });
    const sid = await handshake(url);
    shiftClock(ms);
    // What has expired is looked for twice a second.
    await sleep(1200);
    expect(proxy.hosts).toMatchObject([{ sessions: 1 }]);
    const found = await proxy.findSession(sid);
    expect(found).toMatchObject({ from: 'cache' });
    const { age, expiresIn } = found as { age: number; expiresIn: number };
    expect([Math.abs(age - 1.2) < 1, expiresIn > 0, expiresIn < 60]).toEqual([true, true, true]);
  });

  it('leaves sessions with a host that is silent, as long as they are in any case', async () => {
    const host = await startHost();
    const { proxy, url } = await startProxy({ hosts: [host.name], checkInterval: 100, checkTimeout: 200, hostTimeout: 500 });
    const sid = await handshake(url);
    const down = once(proxy, 'down');
    host.freeze();
    expect(await down).toEqual([host.name, 'silent']);
    shiftClock(HOUR);
    expect(await post(url, sid)).toMatchObject({ status: 504 });
  });
});
