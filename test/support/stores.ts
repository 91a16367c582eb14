import { MemoryStore, SidStore, type ProxyOptions, type SessionStore } from '../../src';
import { openClient, uniqueKeyPrefix } from './redis';

/** What proxies of the tests share that have a `SidStore`. */
export const SECRET = 'a secret of the tests, which is long enough';

/** Whether the tests run on a `SidStore` where it is no matter which store they have: see the project in `jest.config.js`. */
export const onSids = Reflect.get(globalThis, 'storeOfTests') === 'sid';

const { tokens } = new SidStore({ secret: SECRET });

/** What clients call a session of a host: by the host's own sid, which has its token behind it in the tier `sid`. */
export const clientSid = (sid: string, host: string): string => (onSids ? tokens.add(sid, host) : sid);

/** What its host calls a session that clients call so. */
export const hostSid = (sid: string): string => (onSids ? tokens.cut(sid) : sid);

/** The store of a proxy for which it is no matter. */
export function ownStore(): SessionStore {
  return onSids ? new SidStore({ secret: SECRET }) : new MemoryStore();
}

/** The options by which several proxies route each other's sessions. */
export async function sharedStore(): Promise<Pick<ProxyOptions, 'keyPrefix'> & ({ store: SessionStore } | { redisClient: object })> {
  return onSids ? { store: ownStore() } : { redisClient: await openClient(), keyPrefix: uniqueKeyPrefix() };
}
