import { createClient } from 'redis';
import { MemoryStore, RedisStore } from '../src';
import { storeTests, type StoreTestsOptions } from '../src/store-tests';
import { BROKEN, timers } from './support/broken-stores';
import { onCleanup } from './support/cleanup';
import { openClient, sharedRedisUrl, uniqueKeyPrefix, type TestClient } from './support/redis';
import { TableStore, type Row, type TableStoreClass } from './support/table-store';

const keyPrefix = uniqueKeyPrefix();
let redisClient: TestClient;

beforeAll(async () => {
  redisClient = await openClient();
});

const NAMES = storeTests({ create: () => new MemoryStore() }).map(({ name }) => name);

const OURS: [name: string, options: StoreTestsOptions][] = [
  ['MemoryStore', { shared: false, create: () => new MemoryStore() }],
  ['RedisStore on an open client', { create: () => new RedisStore(redisClient, keyPrefix) }],
  ['RedisStore on a client that it opens', { create: () => new RedisStore(createClient({ url: sharedRedisUrl() }), keyPrefix) }],
];

describe.each(OURS)('%s', (_, options) => {
  for (const { name, run } of storeTests(options)) it(name, run);
});

it('leaves nothing behind', async () => {
  expect(await redisClient.keys(`${keyPrefix}*`)).toEqual([]);
});

/** Each test that fails, with its message. */
async function failuresOf(options: StoreTestsOptions): Promise<Map<string, string>> {
  const failures = new Map<string, string>();
  await Promise.all(storeTests(options).map(({ name, run }) => run().catch((error: unknown) => {
    failures.set(name, (error as Error).message);
  })));
  return failures;
}

describe('a store', () => {
  const table = new Map<string, Row>();
  let failures: Map<string, string>[];
  let none: Map<string, string>;

  const failuresOfTable = (Store: TableStoreClass, rows = new Map<string, Row>()): Promise<Map<string, string>> =>
    failuresOf({ create: () => new Store(rows) });

  beforeAll(async () => {
    onCleanup(() => timers.forEach((timer) => clearTimeout(timer)));
    // Together, as each takes its time.
    [none, ...failures] = await Promise.all([
      failuresOfTable(TableStore, table), ...BROKEN.map(([, Store]) => failuresOfTable(Store)),
    ]);
    // A thousand tests, which take a while where this process gets little time.
  }, 120_000);

  it('that does what the contract says passes, and holds nothing in the end', () => {
    expect(none).toEqual(new Map());
    expect([...table]).toEqual([]);
  });

  it.each(BROKEN.map(([what, , test, message], i) => [what, test, message, i] as const))('that %s is told so', (_, test, message, i) => {
    const [name = 'none'] = NAMES.filter((known) => test.test(known));
    expect(failures[i]?.get(name)).toMatch(message);
  });

  it('is broken here for every test', () => {
    expect(NAMES.filter((name) => !BROKEN.some(([, , test]) => test.test(name)))).toEqual([]);
  });

  it('has to be a new one each time', async () => {
    const store = new MemoryStore();
    const messages = [...(await failuresOf({ create: () => store })).values()];
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
