import { createRedisClient } from '../../src/cli/redis-client';
import type { RedisClient } from '../../src/sessions/redis-clients';
import { onCleanup } from '../support/cleanup';
import { stopClock, type Clock } from '../support/clock';
import { RedisProcess } from '../support/redis';
import { Relay } from '../support/relay';

/** What the package `redis` has beside what the store needs. */
interface Client {
  readonly isReady: boolean;
  connect(): Promise<unknown>;
  destroy(): void;
  ping(): Promise<unknown>;
}

let clock: Clock;
let redis: RedisProcess;
let relay: Relay;
let client: RedisClient & Client;

beforeEach(async () => {
  redis = await RedisProcess.start();
  relay = await Relay.start(Number(new URL(redis.url).port));
  clock = stopClock();
  client = await createRedisClient({
    kind: 'server', addresses: [{ host: '127.0.0.1', port: relay.port }], socket: undefined, primary: undefined, tls: undefined,
    username: undefined, password: undefined, passwordFile: undefined, database: 0, place: '',
  }) as RedisClient & Client;
  client.on(...['error', () => {}] as never[]);
  onCleanup(() => client.destroy());
  const opened = client.connect();
  await clock.advanceUntil('it is connected', () => client.isReady, 1);
  await opened;
});

it('a client connects anew where the network swallows all bytes of its connection', async () => {
  relay.swallow();
  const waited = await clock.advanceUntil('another connection', () => relay.connections === 2 && client.isReady, 100);
  // The next question, and the time for its answer.
  expect(waited).toBeGreaterThanOrEqual(10_000);
  expect(waited).toBeLessThanOrEqual(16_000);
  expect(await client.ping()).toBe('PONG');
});

it('a client keeps a connection that lives, whether anything is asked on it or not', async () => {
  await clock.advanceUntil('many questions', () => relay.log.filter(({ bytes }) => bytes.includes('PING')).length >= 10, 100);
  expect([relay.connections, client.isReady]).toEqual([1, true]);
});
