import { BROKEN_CLAIMS } from './broken-claims';
import { keyed, overriding, TableStore, type BrokenStore, type Row } from './table-store';

/** Those that a store here leaves running. */
export const timers = new Map<string, NodeJS.Timeout>();

/** Stores that each break one clause; the test that catches it, and how its message begins or ends. */
export const BROKEN: BrokenStore[] = [
  [
    'does not wait until it has bound',
    overriding((store) => ({ bind: (...args) => Promise.resolve().then(() => void setTimeout(() => void store.bind(...args), 20)) })),
    /^finds the host that a sid was bound to/, /`find` must resolve to the bound host: expected 'a:1', received undefined/,
  ],
  [
    'returns no promise',
    overriding(() => ({ bind: () => undefined as never })),
    /^finds the host that a sid was bound to/, /must return a promise: bind\('store-tests-.+', 'a:1', 60\) has returned undefined$/,
  ],
  [
    'never answers',
    overriding(() => ({ find: () => new Promise(() => {}) })),
    /^finds the host that a sid was bound to/, /must settle soon .+storeTimeout.+: find\('store-tests-.+', 60\) has not within 2000 ms$/,
  ],
  [
    'finds null',
    overriding((store) => ({ find: async (...args) => await store.find(...args) ?? null as never })),
    /^finds `undefined` for a sid that is unknown/, /unknown sid must resolve to undefined.+: expected undefined, received null/,
  ],
  [
    'rejects for an unknown sid',
    overriding((store) => ({ find: async (...args) => await store.find(...args) ?? Promise.reject(new Error('no such row')) })),
    /^finds `undefined` for a sid that is unknown/, /must reject only when the store can't serve.+find\(.+no such row/s,
  ],
  [
    'is a plain object',
    class extends TableStore {
      override rowOf(sid: string): Row | undefined {
        return super.rowOf(sid) ?? ({} as Record<string, Row>)[sid];
      }

      override async find(sid: string): Promise<string | undefined> {
        const row = this.rowOf(sid);
        return Promise.resolve(row && (row.host || row as unknown as string));
      }
    },
    /^finds `undefined` for a sid that is unknown/, /unknown sid must resolve to undefined, constructor too/,
  ],
  [
    'does not unbind',
    overriding(() => ({ unbind: () => Promise.resolve() })),
    /^forgets a sid that is unbound/, /`find` after `unbind` must resolve to undefined/,
  ],
  [
    'unbinds everything',
    overriding(({ table }) => ({ unbind: () => Promise.resolve().then(() => table.clear()) })),
    /^forgets a sid that is unbound/, /`unbind` of one sid must leave other sids bound/,
  ],
  [
    'unbinds for good',
    overriding((store) => {
      const dead = new Set<string>();
      return {
        unbind: (sid) => Promise.resolve(void dead.add(sid)),
        find: (...args) => (dead.has(args[0]) ? Promise.resolve(undefined) : store.find(...args)),
      };
    }),
    /^forgets a sid that is unbound/, /that is bound again after `unbind` must be found/,
  ],
  [
    'rejects an unbinding of what is unknown',
    overriding((store) => ({ unbind: async (sid) => (store.rowOf(sid) ? store.unbind(sid) : Promise.reject(new Error('0 rows'))) })),
    /^takes the unbinding of a sid that is unknown/, /must reject only when.+unbind\('store-tests-.+0 rows/s,
  ],
  [
    'keeps the first host',
    overriding((store) => ({ bind: async (...args) => (store.rowOf(args[0]) ? undefined : store.bind(...args)) })),
    /^finds the host that was bound last/, /`bind` of a sid that is bound must overwrite its host/,
  ],
  [
    'tidies hosts up',
    overriding((store) => ({ bind: (sid, host, ttl) => store.bind(sid, host.toLowerCase(), ttl) })),
    /^keeps every host as it stands/, /found as it was bound, to the letter: expected 'HTTPS:\/\/Chat-1.example', received 'https:/,
  ],
  [
    'refuses sids with a NUL, as PostgreSQL does',
    overriding((store) => ({ find: (...args) => (args[0].includes('\0') ? Promise.reject(new Error('NUL')) : store.find(...args)) })),
    /^takes sids with any characters/, /find\('store-tests-.+\\x00', 60\) has rejected with Error: NUL/,
  ],
  [
    'refuses long sids, as Memcached does',
    overriding((store) => ({ bind: (...args) => (args[0].length > 250 ? Promise.reject(new Error('long')) : store.bind(...args)) })),
    /^takes sids with any characters, and of up to 512/, /bind\('store-tests-.+x{464}', 'a:1', 60\) has rejected with Error: long/,
  ],
  ['cuts sids', keyed((sid) => sid.slice(0, 511)), /^keeps sids apart/, /differ in one character are not the same/],
  ['ignores case, as MySQL does', keyed((sid) => sid.toLowerCase()), /^keeps sids apart/, /differ in one character are not the same/],
  ['trims sids', keyed((sid) => sid.trim()), /^keeps sids apart/, /differ in one character are not the same/],
  ['normalises sids', keyed((sid) => sid.normalize()), /^keeps sids apart/, /differ in one character are not the same/],
  [
    'takes sids for patterns',
    class extends TableStore {
      override rowOf(sid: string): Row | undefined {
        const start = sid.endsWith('%') ? sid.slice(0, -1) : '';
        return super.rowOf(start ? [...this.table.keys()].find((key) => key.startsWith(start)) ?? sid : sid);
      }
    },
    /^keeps sids apart/, /A sid is no pattern/,
  ],
  [
    'refuses the empty host',
    overriding((store) => ({ bind: (...args) => (args[1] === '' ? Promise.reject(new Error('empty')) : store.bind(...args)) })),
    /^takes an empty host/, /bind\('.+', '', 1\) has rejected with Error: empty/,
  ],
  [
    'mixes up what is asked at once',
    overriding((store) => {
      let last = '';
      return {
        find: async (sid, ttl) => {
          last = sid;
          await Promise.resolve();
          return store.find(last, ttl);
        },
      };
    }),
    /^keeps calls apart that are made at once/, /Each of many calls at once must concern its own sid/,
  ],
  [
    'expires by a timer, which takes no more than 25 days',
    overriding((store) => ({
      bind: async (sid, host, ttl) => {
        await store.bind(sid, host, ttl);
        if (ttl > 2_147_483) setTimeout(() => void store.unbind(sid), 1);
      },
    })),
    /^keeps a binding whose ttl is longer than a month/, /A `ttl` may be as long as `keyExpiry`/,
  ],
  [
    'drops what comes before it is open',
    overriding((store) => {
      let isOpen = false;
      return {
        open: () => new Promise((resolve) => void setImmediate(() => resolve(void (isOpen = true)))),
        bind: async (...args) => (isOpen ? store.bind(...args) : undefined),
      };
    }),
    /^stores what is bound before `open` has resolved/, /`bind` before `open` has resolved must reject, or be found/,
  ],
  [
    'cannot close what was not opened',
    overriding(() => {
      let isOpen = false;
      return {
        open: () => Promise.resolve(void (isOpen = true)),
        close: () => (isOpen ? Promise.resolve() : Promise.reject(new Error('not open'))),
      };
    }),
    /^closes when it was never opened/, /close\(\) has rejected with Error: not open/,
  ],
  [
    'tells of failures that are none',
    overriding(() => ({ watch: (failed) => failed(new Error('not open yet')) })),
    /^tells of no failure by `watch`/, /must call `failed` only when the store has become unable to serve.+not open yet/s,
  ],
  [
    'keeps what it holds to itself',
    class extends TableStore {
      constructor() {
        super(new Map());
      }
    },
    /^shares its bindings with other stores/, /A `bind` that has resolved must be seen .+`shared: false`.+ received undefined/,
  ],
  [
    'remembers what it has found',
    overriding((store) => {
      const known = new Map<string, string | undefined>();
      return {
        find: async (...args) => {
          if (!known.has(args[0])) known.set(args[0], await store.find(...args));
          return known.get(args[0]);
        },
      };
    }),
    /^shares its bindings with other stores/, /A `bind` that has resolved must be seen through every store/,
  ],
  [
    'clears its table when it is closed',
    overriding(({ table }) => ({ close: () => Promise.resolve().then(() => table.clear()) })),
    /^keeps its bindings when it is closed/, /`close` must close what `open` opened, and nothing else/,
  ],
  [
    'never forgets',
    class extends TableStore {
      override rowOf(sid: string): Row | undefined {
        return this.table.get(sid);
      }
    },
    /^forgets a binding once its ttl/, /must expire when its `ttl`, in seconds, has passed: expected undefined, received 'a:1'/,
  ],
  [
    'revives what has expired',
    overriding((store) => ({
      find: async (sid, ttl) => {
        const host = await store.find(sid, ttl);
        const row = store.table.get(sid);
        if (row) row.expiresAt = store.after(ttl);
        return host;
      },
    })),
    /^forgets a binding once its ttl/, /must not revive a binding that has expired/,
  ],
  [
    'takes the ttl for milliseconds',
    class extends TableStore {
      override after(ttl: number): number {
        return super.after(ttl / 1000);
      }
    },
    /^keeps a binding for its ttl/, /must not expire before its `ttl`, in seconds, has passed/,
  ],
  [
    'does not renew',
    class extends TableStore {
      override renewed({ expiresAt }: Row): number {
        return expiresAt;
      }
    },
    /^renews a binding that is found to the ttl/, /must renew the expiry of what it finds to at least its `ttl`/,
  ],
  [
    'renews everything',
    overriding((store) => ({
      find: async (sid, ttl) => {
        const host = await store.find(sid, ttl);
        // What has expired too: on a busy machine all may have by then.
        for (const row of store.table.values()) row.expiresAt = store.renewed(row, store.after(ttl));
        return host;
      },
    })),
    /^renews a binding that is found to the ttl.+, and no other/, /must renew the expiry of its own sid alone/,
  ],
  ...BROKEN_CLAIMS,
  [
    'renews what is looked at',
    overriding((store) => ({
      inspect: async (sid) => {
        const host = await store.find(sid, 60);
        return host === undefined ? undefined : { host, expiresIn: 60 };
      },
    })),
    /^tells by `inspect`/, /`inspect` must leave the expiry as it is: expected undefined, received 'a:1'/,
  ],
  [
    'tells another host by `inspect`',
    overriding(() => ({ inspect: () => Promise.resolve({ host: 'b:2', expiresIn: undefined }) })),
    /^tells by `inspect`/, /`inspect` must tell the bound host: expected 'a:1', received 'b:2'/,
  ],
  [
    'tells when it expires in milliseconds',
    overriding((store) => ({ inspect: (sid) => Promise.resolve({ host: store.rowOf(sid)?.host ?? '', expiresIn: 59_900 }) })),
    /^tells by `inspect`/, /`inspect` must tell the seconds until a binding expires, and not 59900/,
  ],
  [
    'shortens',
    class extends TableStore {
      override renewed(_: Row, expiresAt: number): number {
        return expiresAt;
      }
    },
    /^never shortens/, /must never shorten an expiry: another proxy may know that the session needs longer/,
  ],
  [
    'keeps for ever what it has found',
    class extends TableStore {
      override renewed(): number {
        return Infinity;
      }
    },
    /^forgets a binding once what `find` renewed it to/, /`find` has renewed must expire when that `ttl` has passed/,
  ],
  [
    'leaves the timer of an earlier binding running',
    overriding((store) => ({
      bind: async (sid, host, ttl) => {
        await store.bind(sid, host, ttl);
        if (ttl < 60) timers.set(`${sid}${timers.size}`, setTimeout(() => void store.unbind(sid), ttl * 1000));
      },
    })),
    /^counts the ttl from the last `bind`/, /`bind` must set the expiry anew/,
  ],
  [
    'renews in its own memory only',
    overriding((store) => {
      const renewed = new Map<string, string>();
      return {
        find: async (sid) => {
          const host = await store.find(sid, 0);
          if (host !== undefined) renewed.set(sid, host);
          return host ?? renewed.get(sid);
        },
      };
    }),
    /^renews a binding for other stores too/, /must renew the expiry for every store/,
  ],
];
