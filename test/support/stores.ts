import { MemoryStore, SidStore, type SessionStore } from '../../src';
import { HostTokens } from '../../src/sessions/sid-tokens';
import { openClient, uniqueKeyPrefix, type TestClient } from './redis';

/** What proxies of the tests share that have a `SidStore`. */
export const SECRET = 'a secret of the tests, which is long enough';

/** Whether the tests run on a `SidStore` where it is no matter which store they have: see the project in `jest.config.js`. */
export const onSids = Reflect.get(globalThis, 'storeOfTests') === 'sid';

/** More sessions than a test has, unless it is about them: room for the usual 100,000 takes 6 ms each time it is made. */
export const SESSIONS = 2000;

const tokens = new HostTokens([SECRET]);

/** What clients call a session of a host: by the host's own sid, which has its token behind it in the tier `sid`. */
export const clientSid = (sid: string, host: string): string => (onSids ? tokens.add(sid, host) : sid);

/** What its host calls a session that clients call so, with a token or without. */
export const hostSid = (sid: string): string => (tokens.hostOf(sid) === undefined ? sid : tokens.cut(sid));

/** What proxies call a session. Its client has no token where a WebSocket has opened it. */
export const boundSid = (sid: string, host: string): string => (tokens.hostOf(sid) === undefined ? clientSid(sid, host) : sid);

/** The store of a proxy for which it is no matter. */
export function ownStore(): SessionStore {
  return onSids ? new SidStore({ secret: SECRET }) : new MemoryStore({ maxSessions: SESSIONS });
}

/**
 * The store of a proxy before one host alone, whose clients call its sessions as if it had that name: so they are known
 * before the host has its port.
 */
export function storeOf(host: string, alias: string): SessionStore {
  const store = ownStore();
  if (!onSids) return store;
  return {
    bind: (...args) => store.bind(...args),
    unbind: (sid) => store.unbind(sid),
    find: async (sid, ttl) => (await store.find(sid, ttl) === alias ? host : undefined),
    tokens: { add: (sid) => tokens.add(sid, alias), cut: (sid) => tokens.cut(sid) },
  };
}

/** The options by which several proxies route each other's sessions. */
export async function sharedStore(): Promise<{ store: SessionStore } | { redisClient: TestClient; keyPrefix: string }> {
  return onSids ? { store: ownStore() } : { redisClient: await openClient(), keyPrefix: uniqueKeyPrefix() };
}
