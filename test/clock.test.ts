import { once } from 'node:events';
import { MemoryStore } from '../src';
import { stopClock } from './support/clock';
import { startHost } from './support/hosts';
import { handshake, pollUrl, request } from './support/http';
import { startProxy } from './support/proxy';
import { before, startSessionHost } from './support/session-host';

const HOUR = 3_600_000;

const post = (url: string, sid: string): Promise<{ status: number }> => request(pollUrl(url, sid), { method: 'POST', body: '2' });

describe('a clock that is put back or forward, as time synchronisation does,', () => {
  it.each([-HOUR, HOUR])('by %d ms changes nothing in what is known of a session, nor in when its binding is renewed', async (ms) => {
    const clock = stopClock();
    const store = new MemoryStore();
    // Its bindings live for four seconds.
    const { proxy, url } = await before([await startSessionHost(3000)], { store, keyExpiry: 1, checkInterval: HOUR });
    const sid = await handshake(url);
    await clock.advance(1000);
    jest.setSystemTime(jest.now() + ms);
    await clock.advance(2000);
    // What has expired is looked for eight times a second.
    expect(await proxy.findSession(sid)).toMatchObject({ from: 'cache', age: 3, expiresIn: 1 });
    await post(url, sid);
    expect(await store.inspect(sid)).toMatchObject({ expiresIn: 4 });
    await clock.advance(4130);
    expect(await proxy.findSession(sid)).toBe('expired');
  });

  it('leaves sessions with a host that is silent, as long as they are in any case', async () => {
    const host = await startHost();
    const store = new MemoryStore();
    // It has time to answer, before it is frozen.
    const sid = await handshake((await startProxy({ hosts: [host.name], store })).url);
    host.freeze();
    const clock = stopClock();
    const { proxy, url } = await startProxy({ hosts: [host.name], store, checkInterval: HOUR, checkTimeout: 200, hostTimeout: 500 });
    const down = once(proxy, 'down');
    await clock.advanceUntil('it is down', () => proxy.hosts[0]?.state === 'down');
    expect(await down).toEqual([host.name, 'silent']);
    jest.setSystemTime(jest.now() + HOUR);
    expect(await post(url, sid)).toMatchObject({ status: 504 });
  });
});
