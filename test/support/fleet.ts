import { randomBytes } from 'node:crypto';
import type Proxy from '../../src';
import type { ProxyInstance } from './proxy';
import { openClient, uniqueKeyPrefix, type TestClient } from './redis';
import { until } from './until';

/** A member by itself, or as it was started. */
type Member = ProxyInstance | { readonly proxy: ProxyInstance };

const proxyOf = (member: Member): ProxyInstance => ('proxy' in member ? member.proxy : member);

/**
 * A fleet of the test's own, for what does not depend on when its members beat: they beat by themselves as always, and
 * also at once where the test says so.
 */
export class TestFleet {
  readonly redis: TestClient;
  readonly keyPrefix: string;

  private constructor(redis: TestClient, keyPrefix: string) {
    this.redis = redis;
    this.keyPrefix = keyPrefix;
  }

  /** By default on the Redis that the tests share, with a prefix that nobody else has. */
  static async start(url?: string, keyPrefix = uniqueKeyPrefix()): Promise<TestFleet> {
    return new TestFleet(await openClient(url), keyPrefix);
  }

  /** What makes a proxy a member. */
  get options(): Partial<Proxy.PartialProxyOptions> {
    return { redisClient: this.redis, keyPrefix: this.keyPrefix, fleet: true };
  }

  /**
   * Each beats at once, one after the other. Asked for a session on a host that it does not know, a proxy looks whether
   * another one has added that host since its last beat.
   */
  async beat(...members: readonly Member[]): Promise<void> {
    for (const member of members) {
      const name = randomBytes(8).toString('hex');
      await this.redis.set(this.keyPrefix + name, name, { expiration: { type: 'EX', value: 60 } });
      // If Redis is late, what is waited for comes with a later beat.
      await proxyOf(member).findSession(name).catch(() => {});
    }
  }

  /** Waits for what members hear of each other, and lets them beat meanwhile. */
  async until(what: string, members: readonly Member[], condition: () => unknown): Promise<void> {
    await until(what, async () => {
      if (await condition()) return true;
      await this.beat(...members);
      return condition();
    });
  }

  /** Resolves with what follows from what members hear of each other, and lets them beat meanwhile. */
  async hear<T>(told: Promise<T>, ...members: readonly Member[]): Promise<T> {
    const state = { isTold: false };
    void told.finally(() => (state.isTold = true)).catch(() => {});
    await this.until('it is told', members, () => state.isTold);
    return told;
  }

  /** Resolves when these know each other, and nobody else. */
  async together(...members: readonly Member[]): Promise<void> {
    await this.until('all know each other', members, () => members.every((member) => (
      proxyOf(member).fleet.members.length === members.length
    )));
  }
}
