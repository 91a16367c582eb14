import { onCleanup } from '../support/cleanup';
import { stopClock, type Clock } from '../support/clock';
import { request, startServer } from '../support/http';
import { mostWithin } from '../support/most-within';
import { openClient, RedisProcess, type TestClient } from '../support/redis';
import { before } from '../support/session-host';
import type { Started } from '../support/proxy';

const RATE = 60;
const KEY = '{socket.io-fleet}:rate:socket.io#';
const WAITING = { maxQueuedHandshakes: 10_000, handshakeQueueTimeout: 3_600_000, checkInterval: 3_600_000 };

let clock: Clock;
let redis: RedisProcess;
let admin: TestClient;
let members: Started[];
/** When handshakes have come to the host, by the member that let each through. */
let times: number[][];

beforeEach(async () => {
  redis = await RedisProcess.start();
  admin = await openClient(redis.url);
  times = [[], [], []];
  clock = stopClock();
  const host = await startServer(({ url = '' }, res) => {
    const [, member] = /via=(\d)/.exec(url) ?? [];
    if (member) times[Number(member)]?.push(jest.now());
    res.end(`0{"sid":"${times.flat().length}","pingInterval":45000,"pingTimeout":0}`);
  });
  members = [];
  for (let i = 0; i < 3; i += 1) {
    const redisClient = await openClient(redis.url);
    members.push(await before([host], { redisClient, fleet: true, maxHandshakesPerSecond: RATE, ...WAITING }));
  }
  // Proxies close in real time, with Redis or without.
  onCleanup(() => jest.useRealTimers());
  await clock.advanceUntil('each has a third', async () => (await held()).join() === '20,20,20', 50);
});

/** How many a second each holds by Redis. */
async function held(): Promise<number[]> {
  return Object.values(await admin.hGetAll(KEY)).map((text) => Math.round(RATE * Number(text.split(' ')[1]))).sort((a, b) => a - b);
}

/** So many handshakes come at once. They are refused when the proxy is closed, at the latest. */
function come(member: number, count: number): void {
  for (let i = 0; i < count; i += 1) {
    request(`${members[member]?.url}/socket.io/?EIO=4&transport=polling&via=${member}`).catch(() => {});
  }
}

/** How many came in a time, in handshakes per second. */
const rateOf = (all: number[], from: number, to: number): number =>
  all.filter((time) => time >= from && time < to).length * 1000 / (to - from);

it('holds for all proxies of a fleet together, and goes where the demand is', async () => {
  come(0, 1000);
  const start = jest.now();
  let next = start;
  /** The others have five a second. */
  const comeToOthers = (): void => {
    for (; next <= jest.now(); next += 200) for (const member of [1, 2]) come(member, 1);
  };
  await clock.advanceUntil('most is leased to one', async () => {
    comeToOthers();
    return Number((await held()).at(-1)) >= 45;
  }, 20);
  const from = jest.now();
  await clock.advanceUntil('six seconds are over', () => {
    comeToOthers();
    return jest.now() >= from + 6000;
  });
  expect(mostWithin(1000, times.flat())).toBeLessThanOrEqual(RATE);
  const rates = times.map((all) => rateOf(all, from + 1000, from + 6000));
  expect(Math.min(...rates)).toBeGreaterThan(4);
  expect(rates[0]).toBeGreaterThan(40);
});

it('is shared out evenly while Redis is away, and leased again once it is back', async () => {
  for (const member of [0, 1, 2]) come(member, 600);
  const pass = async (ms: number): Promise<number> => {
    const from = jest.now();
    await clock.advanceUntil(`${ms} ms are over`, () => jest.now() >= from + ms);
    return from;
  };
  await redis.kill();
  // Until the leases are over, and a beat more.
  await pass(7000);
  const from = await pass(4000);
  const rates = times.map((all) => rateOf(all, from, from + 4000));
  expect(rates).toEqual([19.5, 19.5, 19.5].map((rate) => expect.closeTo(rate, -0.3) as number));
  expect(mostWithin(1000, times.flat())).toBeLessThanOrEqual(RATE);
  await redis.restart();
  await clock.advanceUntil('each has a third again', async () => (await held()).join() === '20,20,20', 50);
}, 60_000);
