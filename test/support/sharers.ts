import { Fleet, type Self } from '../../src/fleet/fleet';
import type { Beat, FleetStore, Reading } from '../../src/fleet/fleet-store';
import { RedisFleet } from '../../src/fleet/redis-fleet';
import { openClient, RedisProcess, type TestClient } from './redis';

/** Where the leases of `p#` are. */
export const KEY = '{socket.io-fleet}:rate:p#';

/** How long a lease lives, in ms. */
export const LIFE = 4500;

const SELF: Self = {
  version: '', ready: true, workers: 1, spelling: { hosts: '', path: '', keyPrefix: '' }, hosts: [], level: 0, without: [], ended: [],
};

/** A Redis with a clock that a test sets, which is the members' as well. */
class Leasing {
  /** In ms. */
  time = 0;
  #redis: TestClient | undefined;
  /** The script, told what time it is. */
  readonly store = new RedisFleet((script, keys, args) => {
    const now = `{ '${Math.floor(this.time / 1000)}', '${this.time % 1000 * 1000}' }`;
    return this.redis.eval(script.replace("redis.call('TIME')", now), { keys: [...keys], arguments: [...args] });
  }, 'p#');

  /** To be called before all tests of a file. */
  async start(): Promise<void> {
    this.#redis = await openClient((await RedisProcess.start()).url);
  }

  /** To be called before each test. */
  async reset(): Promise<void> {
    await this.redis.flushAll();
    this.time = 1_000_000_000_000;
  }

  get redis(): TestClient {
    if (!this.#redis) throw new Error('not started');
    return this.#redis;
  }

  /** What members hold, as parts of the rate. */
  async held(): Promise<Record<string, number>> {
    const fields = Object.entries(await this.redis.hGetAll(KEY));
    const pairs = fields.map(([id, text]): [string, number[]] => [id, text.split(' ').map(Number)]);
    return Object.fromEntries(pairs.filter(([, [until = 0]]) => until > this.time).map(([id, [, held = NaN]]) => [id, held]));
  }
}

/** One for each file of tests. */
export const leasing = new Leasing();

/** A member with a demand, whose beats may fail. */
export class Sharer implements FleetStore {
  readonly fleet: Fleet;
  rate = 100;
  wanted = 0;
  /** How long an answer is on its way, in ms. */
  delay = 0;
  fault: 'lost request' | 'lost answer' | undefined;
  /** The highest slice at each of the last times when it was looked at. */
  readonly #slices: { at: number; rate: number }[] = [];
  /** When Redis was last asked, and has answered. */
  #askedAt = -Infinity;

  constructor(readonly id: string, wanted = 0, rate = 100) {
    this.wanted = wanted;
    this.rate = rate;
    this.fleet = new Fleet({ id, timeout: 1000, life: 60_000, clock: () => leasing.time }, this, () => SELF);
    this.fleet.share({ rate, wanted: () => this.wanted });
  }

  async beat(beat: Beat): Promise<Reading> {
    const { fault } = this;
    if (fault === 'lost request') throw new Error('no connection');
    const askedAt = leasing.time;
    const reading = await leasing.store.beat(beat);
    leasing.time += this.delay;
    if (fault) throw new Error('the connection is lost');
    this.#askedAt = askedAt;
    return reading;
  }

  get slice(): number {
    return this.fleet.slice?.rate ?? NaN;
  }

  /** Redis has not let its lease end. */
  get isLeased(): boolean {
    return leasing.time - this.#askedAt < LIFE;
  }

  /** The highest slice of the last second in which it was leased. */
  get used(): number {
    if (!this.isLeased) this.#slices.length = 0;
    this.#slices.push({ at: leasing.time, rate: this.isLeased ? this.slice : 0 });
    while ((this.#slices[1]?.at ?? Infinity) <= leasing.time - 1000) this.#slices.shift();
    return Math.max(...this.#slices.map(({ rate }) => rate));
  }
}

/** So many times each beats in its turn, which takes 1.5 s. */
export async function go(rounds: number, ...sharers: Sharer[]): Promise<number[]> {
  for (let round = 0; round < rounds; round += 1) {
    for (const { fleet } of sharers) {
      await fleet.beat();
      leasing.time += Math.ceil(1500 / sharers.length);
    }
  }
  return sharers.map(({ slice }) => slice);
}

export const sumOf = (numbers: Iterable<number>): number => [...numbers].reduce((sum, each) => sum + each, 0);
