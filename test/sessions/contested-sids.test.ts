import { once } from 'node:events';
import { stopClock } from '../support/clock';
import { openClient, uniqueKeyPrefix } from '../support/redis';
import { open, post, SID, startContest, upgrade, type Contest } from '../support/named-hosts';
import type { Started } from '../support/proxy';
import { countsOf } from '../support/session-host';
import { until } from '../support/until';

let { inner, hosts, startMember }: Contest = {} as Contest;

beforeEach(async () => {
  ({ inner, hosts, startMember } = await startContest());
});

describe('a session that could not be stored when it was opened', () => {
  it('ends when the store is back, and has its sid for a session that is alive on another host', async () => {
    const [a, b] = hosts;
    const [one, other] = [await startMember(), await startMember()];
    await open(one.url, a);
    other.way.fail();
    expect((await open(other.url, b)).status).toBe(200);
    const told = once(other.proxy, 'duplicate');
    other.way.recover();
    expect(await told).toEqual([SID, b.name, a.name]);
    await until('it has ended', () => b.alive.size === 0);
    expect(await inner.inspect(SID)).toMatchObject({ host: a.name });
    await post(one.url, 'by one');
    await post(other.url, 'by the other');
    expect([a.posted, b.posted]).toEqual([['by one', 'by the other'], []]);
    expect(countsOf(other.proxy).map(([sessions]) => sessions)).toEqual([1, 0, 0]);
  });
});

describe('two handshakes that get the sid of a session that is over at the same time', () => {
  it.each<[string, () => Promise<[Started, Started]>]>([
    ['by way of one proxy', async () => {
      const one = await startMember();
      return [one, one];
    }],
    ['by way of two', async () => [await startMember(), await startMember()]],
    ['by way of two on Redis', async () => {
      const options = { redisClient: await openClient(), keyPrefix: uniqueKeyPrefix(), store: undefined };
      return [await startMember(options), await startMember(options)];
    }],
  ])('do not both win: %s', async (_, start) => {
    const [a, b, c] = hosts;
    const [one, other] = await start();
    await open(one.url, a);
    a.alive.clear();
    const replies = await Promise.all([open(one.url, b), open(other.url, c)]);
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 503]);
    await until('one is over', () => b.alive.size + c.alive.size === 1);
    const [winner] = b.alive.size > 0 ? [b] : [c];
    await post(one.url, 'x');
    await post(other.url, 'y');
    expect(winner.posted).toEqual(['x', 'y']);
  });

  it('do not both win where the store answers neither', async () => {
    const [, b, c] = hosts;
    const { url, way } = await startMember({ storeTimeout: 100 });
    way.hold = (call) => call === 'claim' ? new Promise(() => {}) : undefined;
    const replies = await Promise.all([open(url, b), open(url, c)]);
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 503]);
  });
});

describe('the removal of a session that has ended', () => {
  it.each([0, 1] as const)('leaves the one that has come back with its sid meanwhile, on host %d', async (which) => {
    const [one, other] = [await startMember(), await startMember()];
    const { [which]: second, 0: first } = hosts;
    const clock = stopClock();
    let release = (): void => {};
    one.way.hold = (call) => call === 'release' ? new Promise<void>((resolve) => release = resolve) : undefined;
    const socket = await upgrade(one.url, `as=${SID}&to=${first.name}`);
    await until('it is bound', async () => (await inner.inspect(SID))?.host === first.name);
    await clock.advance(5000);
    socket.terminate();
    await until('it has ended', () => countsOf(one.proxy)[0]?.[1] === 0 && first.alive.size === 0);
    await clock.advance(100);
    expect((await open(other.url, second)).status).toBe(200);
    await clock.advance(100);
    release();
    await one.proxy.close();
    expect(await inner.inspect(SID)).toMatchObject({ host: second.name });
  });
});

describe('a store that has lost everything', () => {
  it('is not left with a session that is over, though that is stored again first', async () => {
    const [a, b] = hosts;
    const [one, other] = [await startMember(), await startMember()];
    await open(one.url, a);
    a.alive.clear();
    await open(other.url, b);
    for (const { way } of [one, other]) way.fail();
    await inner.unbind(SID);
    one.way.recover();
    await until('the one that is over is stored', async () => (await inner.inspect(SID))?.host === a.name);
    other.way.recover();
    await until('the one that lives is stored', async () => (await inner.inspect(SID))?.host === b.name);
    await post(other.url, 'hello');
    expect(b.posted).toEqual(['hello']);
  });

  it('does not get a session from which the sid has been kept', async () => {
    const [a, b] = hosts;
    const [one, other] = [await startMember(), await startMember()];
    await open(one.url, a);
    await open(other.url, b, 'other');
    const told = once(other.proxy, 'duplicate');
    await upgrade(other.url, `as=${SID}&to=${b.name}`);
    await told;
    other.way.fail();
    for (const sid of [SID, 'other']) await inner.unbind(sid);
    other.way.recover();
    await until('the others are stored', async () => (await inner.inspect('other'))?.host === b.name);
    expect(await inner.inspect(SID)).toBeUndefined();
    one.way.fail();
    one.way.recover();
    await until('it is stored', async () => (await inner.inspect(SID))?.host === a.name);
  });
});
