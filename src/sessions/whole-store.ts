import type { SessionStore, StoredBinding } from './session-store';

/** The calls on a store, those included that it need not have. */
export type WholeStore = Required<Pick<SessionStore, 'find' | 'claim' | 'release' | 'inspect'>>;

/** Does with a store's `bind`, `find` and `unbind`, in several steps, what it cannot do in one. */
export function wholeOf(store: SessionStore): WholeStore {
  const inspect = async (sid: string): Promise<StoredBinding | undefined> => {
    const host = await store.find(sid, 1);
    return host === undefined ? undefined : { host, expiresIn: undefined };
  };
  const claim = async (sid: string, host: string, ttl: number, over: string | undefined): Promise<string> => {
    const found = await store.find(sid, ttl);
    if (found !== undefined && found !== over) return found;
    await store.bind(sid, host, ttl);
    return host;
  };
  const whole: WholeStore = {
    find: (sid, ttl) => store.find(sid, ttl),
    inspect: (sid) => store.inspect?.(sid) ?? inspect(sid),
    claim: (sid, host, ttl, over) => {
      if (!store.claim) return claim(sid, host, ttl, over);
      return over === undefined ? store.claim(sid, host, ttl) : store.claim(sid, host, ttl, over);
    },
    release: (sid, host, expiresIn) => store.release?.(sid, host, expiresIn) ?? release(sid, host, expiresIn),
  };
  const release = async (sid: string, host: string, expiresIn: number): Promise<void> => {
    if (mayRelease(await whole.inspect(sid), host, expiresIn)) await store.unbind(sid);
  };
  return whole;
}

/** Whether a binding is one that `release` forgets. Stores may tell whole seconds. */
export function mayRelease(found: StoredBinding | undefined, host: string, expiresIn: number): boolean {
  return found?.host === host && (found.expiresIn ?? 0) <= Math.ceil(expiresIn);
}
