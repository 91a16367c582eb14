import { Redis } from 'ioredis-6';
import { sharedRedisUrl } from '../../support/redis';
import { FAMILIES, ofIoRedis, opened } from '../../support/redis-clients';
import { showNoShortening, showRenewingWithoutModes, UNKNOWN_MODE } from '../../support/renewing';

it.each(FAMILIES)('a look-up by $name never shortens what another proxy has set after it was read', async ({ make }) => {
  await showNoShortening(async (port) => (await opened(make(port))).client);
});

it('renews in a Redis before 7, which refuses GT, at most to what the look-up promises', async () => {
  const client = new Redis(sharedRedisUrl());
  const modes: unknown[] = [];
  const expire = (key: string, seconds: number): unknown => client.call('expire', key, seconds);
  Object.assign(client, {
    expire: (key: string, seconds: number, ...mode: unknown[]) => {
      modes.push(mode);
      return mode.length > 0 ? Promise.reject(UNKNOWN_MODE) : expire(key, seconds);
    },
  });
  await showRenewingWithoutModes((await opened(ofIoRedis(client))).client, modes);
});
