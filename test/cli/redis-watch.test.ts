import { createRedisClient } from '../../src/cli/redis-client';
import type { RedisClient } from '../../src/sessions/redis-clients';
import { onCleanup } from '../support/cleanup';
import { stopClock, type Clock } from '../support/clock';
import { RedisProcess } from '../support/redis';
import { Relay } from '../support/relay';
import { until } from '../support/until';

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
  await client.connect();
});

it('a client connects anew where the network swallows all bytes of its connection', async () => {
  relay.swallow();
  // The pause before the question, and the time for its answer.
  await clock.advance(14_900);
  expect(client.isReady).toBe(true);
  await clock.advance(100);
  await until('another connection', () => relay.connections === 2 && client.isReady);
  expect(await client.ping()).toBe('PONG');
});

it('a client keeps a connection that lives, whether anything is asked on it or not', async () => {
  for (let i = 1; i <= 10; i += 1) {
    await clock.advance(5_000);
    // Redis answers in order: what the client has asked by itself is answered, too.
    await client.ping();
  }
  const asked = Buffer.concat(relay.log.filter(({ to }) => to === 'server').map(({ bytes }) => bytes)).toString('latin1');
  expect(asked.split('PING')).toHaveLength(1 + 10 + 10);
  expect([relay.connections, client.isReady]).toEqual([1, true]);
});
