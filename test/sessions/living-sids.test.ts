import { once } from 'node:events';
import { stopClock } from '../support/clock';
import { LIFETIME, open, OPTIONS, post, SID, startContest, upgrade, Way, type Contest } from '../support/named-hosts';
import { before } from '../support/session-host';
import { until } from '../support/until';

let { inner, hosts, startMember }: Contest = {} as Contest;

beforeEach(async () => {
  ({ inner, hosts, startMember } = await startContest());
});

it('takes a host that switches protocols for one whose answer does not tell whether a session is alive', async () => {
  const [a, b] = hosts;
  const { url } = await startMember();
  a.onPut = (socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n');
  await open(url, a);
  expect((await open(url, b)).status).toBe(503);
});

it('asks the store for a sid again once the host has refused an upgrade', async () => {
  const [a, b] = hosts;
  const [one, other] = [await startMember(), await startMember()];
  await open(one.url, a);
  a.alive.clear();
  await open(other.url, b);
  await upgrade(one.url, `sid=${SID}`, 'unexpected-response');
  await upgrade(one.url, `sid=${SID}`, 'open');
});

it('counts a session as alive that is used by way of another proxy, where its host does not tell', async () => {
  const clock = stopClock();
  const [a, b] = hosts;
  a.onPut = (socket) => socket.end('HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n');
  // As is advised: as long as a session lives. Its own proxy keeps it for a third longer.
  const options = { keyExpiry: LIFETIME / 1000 };
  const [one, other] = [await startMember(options), await startMember(options)];
  await open(one.url, a);
  for (let i = 0; i < 8; i += 1) {
    await clock.advance(5000);
    expect((await post(other.url, 'hello')).status).toBe(200);
  }
  expect((await open(one.url, b)).status).toBe(503);
  await clock.advance(20_000);
  expect((await open(one.url, b)).status).toBe(200);
});

it('gives a sid back that its host has assigned anew while another host was about to take it over', async () => {
  const [a, b] = hosts;
  const [one, other] = [await startMember(), await startMember()];
  await open(one.url, a);
  a.alive.clear();
  let isFirst = true;
  // As if its answer took longer than it takes the client to come back.
  a.onPut = (socket) => {
    a.onPut = undefined;
    if (!isFirst) return;
    isFirst = false;
    void open(one.url, a).then(() => {
      const body = '{"code":1,"message":"Session ID unknown"}';
      socket.end(`HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    });
  };
  expect((await open(other.url, b)).status).toBe(503);
  expect(other.duplicates).toEqual([[SID, b.name, a.name]]);
  expect(await inner.inspect(SID)).toMatchObject({ host: a.name });
  await until('the later is over', () => b.alive.size === 0);
  await post(other.url, 'hello');
  expect([a.posted, b.posted]).toEqual([['hello'], []]);
});

describe('of two sessions of one sid that both live, the one that the store does not have is closed', () => {
  it.each([['in use', 0], ['not used for a while', 20_000]])('%s', async (_, ms) => {
    const clock = stopClock();
    const [a, b] = hosts;
    const [one, other] = [await startMember(), await startMember()];
    await open(one.url, a);
    await inner.unbind(SID);
    await open(other.url, b);
    await clock.advance(16_000 + ms);
    const told = once(one.proxy, 'duplicate');
    await post(one.url, 'is renewed');
    expect(await told).toEqual([SID, a.name, b.name]);
    await until('it is closed', () => a.alive.size === 0);
    expect(await inner.inspect(SID)).toMatchObject({ host: b.name });
  });
});

it('keeps a sid for a host that only another proxy knows, while it is in use', async () => {
  const clock = stopClock();
  const [a, b] = hosts;
  const one = await startMember();
  const { url } = await before([b], { ...OPTIONS, store: new Way(inner) });
  await open(one.url, a);
  expect((await open(url, b)).status).toBe(503);
  await clock.advance(20_000);
  expect((await open(url, b)).status).toBe(200);
});

it('lets handshakes of one sid wait for one answer of a silent host', async () => {
  const clock = stopClock();
  const [a, b] = hosts;
  const { url } = await startMember();
  await open(url, a);
  let asked = 0;
  a.onPut = () => void (asked += 1);
  const replies = Promise.all(Array.from({ length: 5 }, () => open(url, b)));
  await clock.advanceUntil('it was asked', () => asked > 0, 10);
  await clock.advance(1000);
  expect((await replies).map(({ status }) => status)).toEqual([503, 503, 503, 503, 503]);
  expect(asked).toBe(1);
});

it('does not take a session for alive that the store has no more, or for another host, where its host does not tell', async () => {
  const [a, b, c] = hosts;
  const { url } = await startMember();
  for (const host of [a, b]) host.onPut = (socket) => socket.end('HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n');
  const clock = stopClock();
  await open(url, a);
  await clock.advance(16_000);
  await inner.unbind(SID);
  expect((await open(url, b)).status).toBe(200);
  await clock.advance(16_000);
  await inner.bind(SID, c.name, 60);
  expect((await open(url, c)).status).toBe(200);
});

it('leaves a session to the next one of its host and sid', async () => {
  const [a] = hosts;
  const { url, way } = await startMember();
  for (const name of ['claim', 'release', 'inspect'] as const) Object.assign(way, { [name]: undefined });
  const socket = await upgrade(url, `as=${SID}&to=${a.name}`);
  await until('it is bound', async () => (await inner.inspect(SID))?.host === a.name);
  await open(url, a);
  socket.terminate();
  await until('it has ended', () => a.alive.size === 0);
  a.alive.add(SID);
  expect((await post(url, 'hello')).status).toBe(200);
  expect(await inner.inspect(SID)).toMatchObject({ host: a.name });
});
