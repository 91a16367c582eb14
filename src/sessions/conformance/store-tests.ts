import { inspect } from 'node:util';
import type { SessionStore } from '../session-store';
import { Bench } from './store-bench';
import { CLAUSES, SHARED, type Clauses } from './store-clauses';
import { LASTING, SHARED_LASTING } from './store-expiry-clauses';

/** Options of {@link storeTests}. */
export interface StoreTestsOptions {
  /**
   * Makes a new store each time, not open yet: the tests open and close it as a proxy does. Anything else that the
   * store needs must last until the last test is over, because some tests run at the same time.
   */
  create: () => SessionStore | Promise<SessionStore>;
  /**
   * Whether the stores that `create` makes share their bindings, as those of several proxies must. `false` leaves out
   * the tests of that, for a store that serves only one proxy.
   * @default true
   */
  shared?: boolean | undefined;
}

/** One test, for `it` or `test` of any test runner. */
export interface StoreTest {
  /** The tested behaviour. */
  readonly name: string;
  /** Rejects with the clause of the contract and what the store did instead. Takes up to 3 s, and usually less. */
  readonly run: () => Promise<void>;
}

/**
 * The tests of the contract {@link SessionStore}. They use unique sids, and unbind them in the end.
 *
 * @throws TypeError when an option is invalid.
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
    // The first error tells more than one of the clean-up.
    await bench.cleanUp().catch(() => {});
    throw error;
  }
  await bench.cleanUp();
}

/** Starts all tests when the first one runs, because most of them only wait. */
function together(tests: StoreTest[]): StoreTest[] {
  const running = new Map<string, Promise<void>>();
  let started = false;
  const start = (): void => {
    started = true;
    for (const { name, run } of tests) {
      const result = run();
      // Each test takes its own result later, if it runs at all.
      result.catch(() => {});
      running.set(name, result);
    }
  };
  return tests.map(({ name, run }) => ({
    name,
    run: () => {
      if (!started) start();
      const result = running.get(name) ?? run();
      // A second run starts the test anew.
      running.delete(name);
      return result;
    },
  }));
}

function wrong(name: string, expected: string, received: unknown): TypeError {
  return new TypeError(`'${name}' must ${expected}, received ${inspect(received, { depth: 0 })}`);
}
