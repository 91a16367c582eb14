import { overriding, type BrokenStore, type TableStore } from './table-store';

/** As the contract says. */
function claim(store: TableStore, sid: string, host: string, ttl: number, over?: string): Promise<string> {
  const found = store.rowOf(sid);
  const row = found?.host === over ? undefined : found;
  if (!row) store.table.set(sid, { host, expiresAt: store.after(ttl) });
  else if (row.host === host) row.expiresAt = store.renewed(row, store.after(ttl));
  return Promise.resolve(row?.host ?? host);
}

/** Stores whose `claim` breaks a clause. */
export const BROKEN_CLAIMS: BrokenStore[] = [
  [
    'claims what is bound',
    overriding((store) => ({ claim: (sid, host, ttl) => store.bind(sid, host, ttl).then(() => host) })),
    /^binds by `claim`.+ that are$/, /must resolve with the host that it is bound to: expected 'a:1', received 'b:2'/,
  ],
  [
    'claims what is bound, and does not tell so',
    overriding((store) => ({
      claim: async (sid, host, ttl) => {
        const bound = await claim(store, sid, host, ttl);
        await store.bind(sid, host, ttl);
        return bound;
      },
    })),
    /^binds by `claim`.+ that are$/, /must leave a bound sid as it is: expected 'a:1', received 'b:2'/,
  ],
  [
    'claims nothing',
    overriding((store) => ({ claim: async (sid, host) => (await store.find(sid, 1)) ?? host })),
    /^binds by `claim`.+ that are$/, /must bind a sid that is not bound: expected 'b:2', received undefined/,
  ],
  [
    'claims in two steps',
    overriding((store) => ({
      claim: async (sid, host, ttl) => {
        const bound = await store.find(sid, ttl);
        if (bound === undefined) await store.bind(sid, host, ttl);
        return bound ?? host;
      },
    })),
    /^binds by `claim`.+ that are$/, /must look and bind in one step/,
  ],
  [
    'claims, and tells no host',
    overriding((store) => ({ claim: (...args) => claim(store, ...args).then(() => null as unknown as string) })),
    /^binds by `claim`.+ that are$/, /must resolve with the host that the sid is bound to by then: .+ expected 'string', received 'object'/,
  ],
  [
    'claims nothing that has expired',
    overriding((store) => ({
      claim: (sid, host, ttl) => {
        const row = store.table.get(sid);
        return row ? Promise.resolve(row.host) : claim(store, sid, host, ttl);
      },
    })),
    /^binds by `claim`.+, for its ttl/, /must bind a sid whose binding has expired/,
  ],
  [
    'claims for ever',
    overriding((store) => ({ claim: (sid, host) => claim(store, sid, host, 3600) })),
    /^binds by `claim`.+, for its ttl/, /must expire when its `ttl` has passed/,
  ],
  [
    'does not renew what it claims',
    overriding((store) => ({
      claim: (sid, host, ttl) => {
        const row = store.rowOf(sid);
        return row ? Promise.resolve(row.host) : claim(store, sid, host, ttl);
      },
    })),
    /^renews by `claim`/, /must renew the expiry of a sid that is bound to the same host/,
  ],
  [
    'shortens what it claims',
    overriding((store) => ({
      claim: async (sid, host, ttl) => {
        const bound = await claim(store, sid, host, ttl);
        if (bound === host) await store.bind(sid, host, ttl);
        return bound;
      },
    })),
    /^renews by `claim`/, /must never shorten an expiry/,
  ],
  [
    'takes nothing over',
    overriding((store) => ({ claim: (sid, host, ttl) => claim(store, sid, host, ttl) })),
    /^takes over by `claim`/, /`claim` over its host must bind the sid instead: expected 'b:2', received 'a:1'/,
  ],
  [
    'takes over from any host',
    overriding((store) => ({
      claim: (sid, host, ttl, over) => claim(store, sid, host, ttl, over === undefined ? undefined : store.rowOf(sid)?.host),
    })),
    /^takes over by `claim`/, /must leave a sid that is bound to another one, and tell that: expected 'a:1', received 'b:2'/,
  ],
  [
    'takes over in two steps',
    overriding((store) => ({
      claim: async (sid, host, ttl, over) => {
        const bound = await store.find(sid, ttl);
        if (over === undefined || bound !== over) return claim(store, sid, host, ttl);
        await store.bind(sid, host, ttl);
        return host;
      },
    })),
    /^takes over by `claim`/, /must look and bind in one step/,
  ],
  [
    'releases whatever is bound',
    overriding((store) => ({ release: (sid) => store.unbind(sid) })),
    /^forgets by `release`/, /must leave a sid that is bound to another host/,
  ],
  [
    'releases what is in use',
    overriding((store) => ({ release: async (sid, host) => store.rowOf(sid)?.host === host ? store.unbind(sid) : undefined })),
    /^forgets by `release`/, /must leave a binding that lives longer than it says/,
  ],
  [
    'releases nothing',
    overriding(() => ({ release: () => Promise.resolve() })),
    /^forgets by `release`/, /must forget a binding that lives no longer than it says/,
  ],
];
