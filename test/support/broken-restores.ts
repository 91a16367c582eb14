import { overriding, type BrokenStore } from './table-store';

/** Stores whose `restore` breaks a clause. */
export const BROKEN_RESTORES: BrokenStore[] = [
  [
    'restores over what is bound',
    overriding((store) => ({ restore: (...args) => store.bind(...args) })),
    /^binds by `restore`.+, and nothing else/, /must leave a bound sid as it is: expected 'a:1', received 'b:2'/,
  ],
  [
    'restores nothing',
    overriding(() => ({ restore: () => Promise.resolve() })),
    /^binds by `restore`.+, and nothing else/, /must bind a sid that is not bound: expected 'b:2', received undefined/,
  ],
  [
    'restores in two steps',
    overriding((store) => ({ restore: async (...args) => (await store.find(args[0], 1) ? undefined : store.bind(...args)) })),
    /^binds by `restore`.+, and nothing else/, /must look and bind in one step/,
  ],
  [
    'restores nothing that has expired',
    overriding((store) => ({ restore: (sid, ...rest) => (store.table.has(sid) ? Promise.resolve() : store.bind(sid, ...rest)) })),
    /^binds by `restore`.+, for its ttl/, /must bind a sid whose binding has expired/,
  ],
  [
    'restores for ever',
    overriding((store) => ({
      restore: async (sid, host) => {
        if (!store.rowOf(sid)) await store.bind(sid, host, 3600);
      },
    })),
    /^binds by `restore`.+, for its ttl/, /must expire when its `ttl` has passed/,
  ],
];
