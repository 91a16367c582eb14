import { inspect } from 'node:util';
import type { SessionStore } from '../session-store';
import { Bench } from './store-bench';
import { CLAUSES, SHARED, type Clauses } from './store-clauses';
import { LASTING, SHARED_LASTING } from './store-expiry-clauses';

/** Options of {@link storeTests}. */
export interface StoreTestsOptions {
  /**
   * Makes a store, a new one each time and not open yet: the tests open and close it as a proxy does. What it needs
   * besides has to last until the last test is over, as some of them run together.
   */
  create: () => SessionStore | Promise<SessionStore>;
  /**
   * The stores that `create` makes hold the same bindings, as those of several proxies must. `false` leaves out the
   * tests of that, for a store that serves one proxy alone.
   * @default true
   */
  shared?: boolean | undefined;
}

/** One test, for `it` or `test` of any test runner. */
export interface StoreTest {
  /** What a store does. */
  readonly name: string;
  /** Rejects with what the contract says and what the store did instead. Takes up to 3 s, and less with most. */
  readonly run: () => Promise<void>;
}

/**
 * The tests of the contract {@link SessionStore}. They use sids that nobody else has, and unbind them in the end.
 *
 * @throws TypeError when an option is not what it must be.
 * @example
 * for (const { name, run } of storeTests({ create: () => new OwnStore() })) it(name, run);
 */
export function storeTests({ create, shared = true }: StoreTestsOptions): StoreTest[] {
  if (typeof create !== 'function') throw wrong('create', 'be a function that makes a store', create);
  if (typeof shared !== 'boolean') throw wrong('shared', 'be a boolean', shared);
  const made = new WeakSet<SessionStore>();
  const testsOf = (clauses: Clauses): StoreTest[] =>
    Object.entries(clauses).map(([name, check]) => ({ name, run: () => test(check, new Bench(create, made)) }));
  return [
    ...testsOf(shared ? { ...CLAUSES, ...SHARED } : CLAUSES),
    ...together(testsOf(shared ? { ...LASTING, ...SHARED_LASTING } : LASTING)),
  ];
}

async function test(check: (bench: Bench) => Promise<void>, bench: Bench): Promise<void> {
  try {
    await check(bench);
  } catch (error) {
    // Tells more than what may fail after it.
    await bench.cleanUp().catch(() => {});
    throw error;
  }
  await bench.cleanUp();
}

/** Most of these wait, and so they wait together: the first that is run starts them all. */
function together(tests: StoreTest[]): StoreTest[] {
  const running = new Map<string, Promise<void>>();
  let started = false;
  const start = (): void => {
    started = true;
    for (const { name, run } of tests) {
      const result = run();
      // Each test takes its own result later, where it is run at all.
      result.catch(() => {});
      running.set(name, result);
    }
  };
  return tests.map(({ name, run }) => ({
    name,
    run: () => {
      if (!started) start();
      const result = running.get(name) ?? run();
      // Run once more, it starts anew.
      running.delete(name);
      return result;
    },
  }));
}

function wrong(name: string, expected: string, received: unknown): TypeError {
  return new TypeError(`'${name}' must ${expected}, received ${inspect(received, { depth: 0 })}`);
}
