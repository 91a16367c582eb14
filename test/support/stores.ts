import { MemoryStore, SidStore, type ProxyOptions, type SessionStore } from '../../src';
import { openClient, uniqueKeyPrefix } from './redis';

/** What proxies of the tests share that have a `SidStore`. */
export const SECRET = 'a secret of the tests, which is long enough';

/** Whether the tests run on a `SidStore` where it is no matter which store they have: see the project in `jest.config.js`. */
export const onSids = Reflect.get(globalThis, 'storeOfTests') === 'sid';

/** More sessions than a test has, unless it is about them: room for the usual 100,000 takes 6 ms each time it is made. */
export const SESSIONS = 2000;

/** The store of a proxy for which it is no matter. */
export function ownStore(): SessionStore {
  return onSids ? new SidStore({ secret: SECRET }) : new MemoryStore({ maxSessions: SESSIONS });
}

/** The options by which several proxies route each other's sessions. */
export async function sharedStore(): Promise<Pick<ProxyOptions, 'keyPrefix'> & ({ store: SessionStore } | { redisClient: object })> {
  return onSids ? { store: ownStore() } : { redisClient: await openClient(), keyPrefix: uniqueKeyPrefix() };
}
