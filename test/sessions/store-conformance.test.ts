import { createClient } from 'redis';
import { MemoryStore, RedisStore } from '../../src';
import { storeTests, type StoreTestsOptions } from '../../src/sessions/conformance/store-tests';
import { BROKEN, timers } from '../support/broken-stores';
import { stopClock } from '../support/clock';
import { openClient, sharedRedisUrl, uniqueKeyPrefix, type TestClient } from '../support/redis';
import { TableStore, type Row } from '../support/table-store';

const keyPrefix = uniqueKeyPrefix();
let redisClient: TestClient;

beforeAll(async () => {
  redisClient = await openClient();
});

const NAMES = storeTests({ create: () => new MemoryStore() }).map(({ name }) => name);

describe('RedisStore', () => {
  // On a client that it opens, and closes.
  const create = (): RedisStore => new RedisStore(createClient({ url: sharedRedisUrl() }), keyPrefix);
  for (const { name, run } of storeTests({ create })) it(name, run);
});

it('leaves nothing behind', async () => {
  expect(await redisClient.keys(`${keyPrefix}*`)).toEqual([]);
});

/** Each test that fails, of those that match, with its message, while the clock is held. */
async function failuresOf(options: StoreTestsOptions, matching = /./): Promise<[name: string, message: string][]> {
  const clock = stopClock();
  const failures: [string, string][] = [];
  let left = 0;
  for (const { name, run } of storeTests(options).filter((test) => matching.test(test.name))) {
    left += 1;
    void run().catch((error: unknown) => failures.push([name, (error as Error).message])).finally(() => (left -= 1));
  }
  await clock.advanceUntil('all are over', () => left === 0, 100);
  return failures;
}

describe('a store', () => {
  afterEach(() => {
    timers.forEach((timer) => clearTimeout(timer));
    timers.clear();
  });

  it('that does what the contract says passes, and holds nothing in the end', async () => {
    const table = new Map<string, Row>();
    expect(await failuresOf({ create: () => new TableStore(table) })).toEqual([]);
    expect([...table]).toEqual([]);
    expect(await failuresOf({ shared: false, create: () => new MemoryStore() })).toEqual([]);
  });

  it.each(BROKEN)('that %s is told so', async (_, Store, test, message) => {
    const table = new Map<string, Row>();
    const failures = await failuresOf({ create: () => new Store(table) }, test);
    expect(failures).toEqual([[expect.stringMatching(test), expect.stringMatching(message)]]);
  });

  it('is broken here for every test', () => {
    expect(NAMES.filter((name) => !BROKEN.some(([, , test]) => test.test(name)))).toEqual([]);
  });

  it('has to be a new one each time', async () => {
    const store = new MemoryStore();
    const messages = (await failuresOf({ create: () => store })).map(([, message]) => message);
    expect(messages).toContainEqual(expect.stringContaining('`create` must make a new store each time'));
  });
});

it.each([
  [{}, "'create' must be a function that makes a store, received undefined"],
  [{ create: new MemoryStore() }, "'create' must be a function that makes a store, received MemoryStore {}"],
  [{ create: () => new MemoryStore(), shared: 'no' }, "'shared' must be a boolean, received 'no'"],
])('refuses the options %o', (options, message) => {
  expect(() => storeTests(options as unknown as StoreTestsOptions)).toThrow(new TypeError(message));
});

it('starts a test anew that is run once more', async () => {
  let made = 0;
  const create = (): never => {
    made += 1;
    throw new Error(`made ${made}`);
  };
  const last = storeTests({ create }).at(-1);
  await expect(last?.run()).rejects.toThrow('made');
  const before = made;
  await expect(last?.run()).rejects.toThrow(`made ${before + 1}`);
});
