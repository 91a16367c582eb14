import { createTotals } from '../../base/totals';
import type { FleetStore } from '../../fleet/fleet-store';
import { RedisFleet } from '../../fleet/redis-fleet';
import { RedisStore } from '../../sessions/redis-store';
import { StoreGuard } from '../../sessions/store-guard';
import { createRedisClient } from '../redis-client';
import type { Settings } from '../settings/settings';

/** Where the primary meets the other members of the fleet: by a connection of its own, as the workers have theirs. */
export interface OpenFleetStore {
  readonly store: FleetStore;
  /** Never rejects. */
  close(): Promise<void>;
}

/** Resolves with `undefined` if the settings want no fleet. */
export async function openFleetStore({ fleet, redis, resolved }: Settings): Promise<OpenFleetStore | undefined> {
  if (!fleet || !redis) return undefined;
  const { keyPrefix, storeTimeout } = resolved;
  const store = new RedisStore(await createRedisClient(redis), keyPrefix);
  // Opens it, and tries again while that fails. The workers tell of it.
  const guard = new StoreGuard(store, storeTimeout, createTotals().store);
  guard.start();
  return {
    store: new RedisFleet((script, keys, args) => store.evaluate(script, keys, args), keyPrefix),
    close: () => guard.close(),
  };
}
