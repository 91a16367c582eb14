import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import { startDeadline } from '../../base/deadline';
import type { SessionStore } from '../session-store';

/** How long a call may take, in ms: twice what a proxy waits by default. */
const CALL_TIMEOUT = 2000;

/** The ttl of a binding that must stay, in seconds. */
export const STAYS = 60;

/** Uses the global timer, so that the tests of a store in memory may replace the clock. */
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

/** A sid that nobody else has. */
export function newSid(): string {
  return `store-tests-${randomUUID()}`;
}

/** Fails with the clause of the contract, the expected and the actual value. */
export function holds(actual: unknown, expected: unknown, clause: string): void {
  assert.deepEqual(actual, expected, `${clause}: expected ${inspect(expected)}, received ${inspect(actual)}`);
}

/** Makes the stores of one test, and closes them in the end. */
export class Bench {
  readonly #create: () => SessionStore | Promise<SessionStore>;
  readonly #made: WeakSet<SessionStore>;
  readonly #subjects: Subject[] = [];
  readonly #bound = new Set<string>();

  /** @param made every store that `create` has made so far. */
  constructor(create: () => SessionStore | Promise<SessionStore>, made: WeakSet<SessionStore>) {
    this.#create = create;
    this.#made = made;
  }

  /** Makes a store, which is not open yet. */
  async make(): Promise<Subject> {
    const store = await this.#create();
    assert.ok(!this.#made.has(store), '`create` must make a new store each time: the tests open and close each one');
    this.#made.add(store);
    const subject = new Subject(store, this.#bound);
    this.#subjects.push(subject);
    return subject;
  }

  async open(): Promise<Subject> {
    const subject = await this.make();
    await subject.open();
    return subject;
  }

  /** Unbinds all sids and closes all stores. Tries all of them, then rejects with the first failure. */
  async cleanUp(): Promise<void> {
    const ends = this.#subjects.map((subject) => subject.end());
    await Promise.allSettled(ends);
    await Promise.all(ends);
  }
}

/** A store under test. Each call has a deadline, and a failure names the call. */
export class Subject {
  readonly #store: SessionStore;
  readonly #bound: Set<string>;
  #closed = false;

  /** @param bound every sid that was bound, through any store of the test. */
  constructor(store: SessionStore, bound: Set<string>) {
    this.#store = store;
    this.#bound = bound;
  }

  async open(): Promise<void> {
    await settled('open()', () => this.#store.open?.() ?? Promise.resolve());
  }

  async bind(sid: string, host: string, ttl = STAYS): Promise<void> {
    this.#bound.add(sid);
    await settled(`bind(${inspect(sid)}, ${inspect(host)}, ${ttl})`, () => this.#store.bind(sid, host, ttl));
  }

  async find(sid: string, ttl = STAYS): Promise<string | undefined> {
    return settled(`find(${inspect(sid)}, ${ttl})`, () => this.#store.find(sid, ttl));
  }

  /** The host by `inspect`, or by `find` if the store has no `inspect`. */
  async inspect(sid: string): Promise<string | undefined> {
    const ask = this.#store.inspect?.bind(this.#store);
    if (!ask) return this.find(sid, 1);
    const told = await settled(`inspect(${inspect(sid)})`, () => ask(sid));
    const { expiresIn = 0 } = told ?? {};
    const isPossible = typeof expiresIn === 'number' && expiresIn >= 0 && expiresIn <= STAYS;
    holds(isPossible, true, `\`inspect\` must tell the seconds until a binding expires, and not ${inspect(expiresIn)}`);
    return told?.host;
  }

  /** The host that the sid is bound to by then; `undefined` if the store has no `claim`. */
  async claim(sid: string, host: string, ttl = STAYS, over?: string): Promise<string | undefined> {
    const claim = this.#store.claim?.bind(this.#store);
    if (!claim) return undefined;
    this.#bound.add(sid);
    const call = `claim(${inspect(sid)}, ${inspect(host)}, ${ttl}${over === undefined ? '' : `, ${inspect(over)}`})`;
    const bound = await settled(call, () => claim(sid, host, ttl, over));
    holds(typeof bound, 'string', `\`claim\` must resolve with the host that the sid is bound to by then: ${call}`);
    return bound;
  }

  /** Whether the store has `release`. */
  async release(sid: string, host: string, expiresIn: number): Promise<boolean> {
    const release = this.#store.release?.bind(this.#store);
    if (!release) return false;
    await settled(`release(${inspect(sid)}, ${inspect(host)}, ${expiresIn})`, () => release(sid, host, expiresIn));
    return true;
  }

  async unbind(sid: string): Promise<void> {
    await settled(`unbind(${inspect(sid)})`, () => this.#store.unbind(sid));
  }

  /** The failures that the store reports from now on. */
  watch(): Error[] {
    const failures: Error[] = [];
    this.#store.watch?.((error) => failures.push(error), () => {});
    return failures;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await settled('close()', () => this.#store.close?.() ?? Promise.resolve());
  }

  /** Unbinds the sids, unless the store is closed, and closes it. */
  async end(): Promise<void> {
    try {
      if (!this.#closed) await Promise.all([...this.#bound].map((sid) => this.unbind(sid)));
    } finally {
      await this.close();
    }
  }
}

/** The result of a call. Rejects when the call returns no promise, rejects, or does not settle in time. */
async function settled<T>(call: string, ask: () => Promise<T>): Promise<T> {
  let cancel = (): void => {};
  const late = new Promise<never>((_, reject) => {
    const clause = `A call must settle soon (a proxy waits for \`storeTimeout\`, by default 1000 ms): ${call}`;
    const message = `${clause} has not within ${CALL_TIMEOUT} ms`;
    cancel = startDeadline(CALL_TIMEOUT, () => reject(new assert.AssertionError({ message })));
  });
  try {
    const answer = ask();
    const isPromise = typeof Reflect.get(Object(answer), 'then') === 'function';
    assert.ok(isPromise, `A call must return a promise: ${call} has returned ${inspect(answer)}`);
    return await Promise.race([answer, late]);
  } catch (cause) {
    if (cause instanceof assert.AssertionError) throw cause;
    const clause = 'A call must reject only when the store can\'t serve: a proxy then treats the store as failed';
    throw new Error(`${clause}: ${call} has rejected with ${inspect(cause)}`, { cause });
  } finally {
    cancel();
  }
}
