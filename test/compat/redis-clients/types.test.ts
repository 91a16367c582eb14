// What is shown here is shown by the type check: every client is a `RedisClient` with no cast.
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis-5';
import { Cluster as Cluster6, Redis as Redis6 } from 'ioredis-6';
import * as redis6 from 'redis';
import * as redis2 from 'redis-2';
import * as redis3 from 'redis-3';
import * as redis4 from 'redis-4';
import * as redis5 from 'redis-5';
import { RedisStore, type ProxyOptions, type RedisClient } from '../../../src';
import { onCleanup } from '../../support/cleanup';

const port = 1;
const rootNodes = [{ url: 'redis://127.0.0.1:1' }];
const sentinel = { name: 'main', sentinelRootNodes: [{ host: '127.0.0.1', port }] };
const typed: ReturnType<typeof redis6.createClient> = redis6.createClient();

/** These connect as soon as they are made. */
function closedLater(client: redis2.RedisClient): redis2.RedisClient {
  onCleanup(() => client.end(false));
  return client.on('error', () => {});
}

function clients(): Record<string, RedisClient> {
  return {
    'redis 2': closedLater(redis2.createClient(port)),
    'redis 3': closedLater(redis3.createClient(port)),
    'redis 4': redis4.createClient(),
    'redis 4 in legacy mode': redis4.createClient({ legacyMode: true }),
    'redis 4 cluster': redis4.createCluster({ rootNodes }),
    'redis 5': redis5.createClient(),
    'redis 5 with protocol 3': redis5.createClient({ RESP: 3 }),
    'redis 5 cluster': redis5.createCluster({ rootNodes }),
    'redis 5 sentinel': redis5.createSentinel(sentinel),
    'redis 6': redis6.createClient(),
    'redis 6 as it is declared': typed,
    'redis 6 cluster': redis6.createCluster({ rootNodes }),
    'redis 6 sentinel': redis6.createSentinel(sentinel),
    'ioredis 5': new Redis5({ lazyConnect: true }),
    'ioredis 5 cluster': new Cluster5([{ port }], { lazyConnect: true }),
    'ioredis 6': new Redis6({ lazyConnect: true }),
    'ioredis 6 cluster': new Cluster6([{ port }], { lazyConnect: true }),
  };
}

/** Only their types are of interest. */
export const options: ProxyOptions[] = [
  { hosts: [], redisClient: typed },
  { hosts: [], redisClient: new Redis5({ lazyConnect: true }) },
  // @ts-expect-error a URL is no client
  { hosts: [], redisClient: 'redis://127.0.0.1' },
  // @ts-expect-error options are no client
  { hosts: [], redisClient: { url: 'redis://127.0.0.1' } },
  // @ts-expect-error a class is no client
  { hosts: [], redisClient: Redis5 },
  // @ts-expect-error a promise is no client
  { hosts: [], redisClient: Promise.resolve(typed) },
  // @ts-expect-error a view with callbacks has no events
  { hosts: [], redisClient: typed.legacy() },
];

it('what has the type of a client is taken', () => {
  for (const client of Object.values(clients())) expect(() => new RedisStore(client)).not.toThrow();
});
