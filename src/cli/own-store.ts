import { MemoryStore } from '../sessions/memory-store';
import type { SessionStore } from '../sessions/session-store';
import { SidStore } from '../sessions/sid-store';
import type { RedisSettings } from './settings/redis';

/** What the settings say of the store. */
interface StoreSettings {
  readonly redis: RedisSettings | undefined;
  readonly sidSecrets: readonly string[] | undefined;
}

/** The store of a command without Redis. */
export function ownStore({ sidSecrets }: Pick<StoreSettings, 'sidSecrets'>): SessionStore {
  return sidSecrets ? new SidStore({ secret: sidSecrets }) : new MemoryStore();
}

/** What the log calls the store: a Redis by its place. */
export function storeName({ redis, sidSecrets }: StoreSettings): string {
  return redis?.place ?? (sidSecrets ? 'sid' : 'memory');
}
