import { MemoryStore } from '../sessions/memory-store';
import type { SessionStore } from '../sessions/session-store';
import { SidStore } from '../sessions/sid-store';
import type { Settings } from './settings/settings';

/** The store of a command without Redis. */
export function ownStore({ sidSecrets }: Pick<Settings, 'sidSecrets'>): SessionStore {
  return sidSecrets ? new SidStore({ secret: sidSecrets }) : new MemoryStore();
}

/** What the log calls the store: a Redis by its place. */
export function storeName({ redis, sidSecrets }: Pick<Settings, 'redis' | 'sidSecrets'>): string {
  return redis?.place ?? (sidSecrets ? 'sid' : 'memory');
}
