import { holds, newSid, sleep, STAYS, type Subject } from './store-bench';
import type { Clauses } from './store-clauses';

/** After how long a binding of 1 s must be gone, in ms: a store may count in whole seconds and round up. */
const WAIT = 2500;

/** How often `bindAndFind` tries when the calls take too long. */
const ATTEMPTS = 10;

/** Behaviours of every store that show only after some time. */
export const LASTING: Clauses = {
  'forgets a binding once its ttl, in seconds, has passed': async (bench) => {
    const store = await bench.open();
    const sid = newSid();
    await store.bind(sid, 'a:1', 1);
    await sleep(WAIT);
    holds(await store.find(sid), undefined, 'A binding must expire when its `ttl`, in seconds, has passed');
    holds(await store.find(sid), undefined, '`find` must not revive a binding that has expired');
    await store.bind(sid, 'b:2');
    holds(await store.find(sid), 'b:2', 'A sid that is bound again after it expired must be found');
  },

  'keeps a binding for its ttl': async (bench) => {
    const store = await bench.open();
    await Promise.all([3, STAYS].map(async (ttl) => {
      const sid = newSid();
      const start = performance.now();
      await store.bind(sid, 'a:1', ttl);
      await sleep(WAIT);
      const found = await store.find(sid);
      const inTime = performance.now() - start < ttl * 1000;
      // If the machine was too busy, the result proves nothing.
      if (inTime) holds(found, 'a:1', 'A binding must not expire before its `ttl`, in seconds, has passed');
    }));
  },

  'renews a binding that is found to the ttl of the look-up, and no other': async (bench) => {
    const store = await bench.open();
    const other = newSid();
    await store.bind(other, 'a:1', 1);
    const sid = await bindAndFind(store, store, STAYS);
    await sleep(WAIT);
    holds(await store.find(sid), 'a:1', '`find` must renew the expiry of what it finds to at least its `ttl`');
    holds(await store.find(other), undefined, '`find` must renew the expiry of its own sid alone');
  },

  'tells by `inspect`, if it has that, the bound host, and renews nothing': async (bench) => {
    const store = await bench.open();
    const sid = newSid();
    await store.bind(sid, 'a:1');
    holds(await store.inspect(sid), 'a:1', '`inspect` must tell the bound host');
    const other = await bindAndFind(store, { find: (each) => store.inspect(each) }, 1);
    await sleep(WAIT);
    holds(await store.find(other), undefined, '`inspect` must leave the expiry as it is');
  },

  'binds by `claim`, if it has that, sids that have expired, for its ttl': async (bench) => {
    const store = await bench.open();
    const [expired, short] = [newSid(), newSid()];
    await store.bind(expired, 'a:1', 1);
    if (await store.claim(short, 'a:1', 1) === undefined) return;
    await sleep(WAIT);
    holds(await store.find(short), undefined, 'A binding by `claim` must expire when its `ttl` has passed');
    await store.claim(expired, 'b:2');
    holds(await store.find(expired), 'b:2', '`claim` must bind a sid whose binding has expired');
  },

  'renews by `claim`, if it has that, what is bound to the same host, and shortens nothing': async (bench) => {
    const store = await bench.open();
    const [short, long] = [newSid(), newSid()];
    await store.bind(short, 'a:1', 1);
    await store.bind(long, 'a:1', STAYS);
    if (await store.claim(short, 'a:1') === undefined) return;
    await store.claim(long, 'a:1', 1);
    await sleep(WAIT);
    holds(await store.find(short), 'a:1', '`claim` must renew the expiry of a sid that is bound to the same host');
    holds(await store.find(long), 'a:1', '`claim` must never shorten an expiry');
  },

  'never shortens the expiry of a binding that is found': async (bench) => {
    const store = await bench.open();
    const sid = newSid();
    await store.bind(sid, 'a:1', STAYS);
    await store.find(sid, 1);
    await sleep(WAIT);
    const clause = '`find` must never shorten an expiry: another proxy may know that the session needs longer';
    holds(await store.find(sid), 'a:1', clause);
  },

  'forgets a binding once what `find` renewed it to has passed': async (bench) => {
    const store = await bench.open();
    const sid = await bindAndFind(store, store, 1);
    await sleep(WAIT);
    holds(await store.find(sid), undefined, 'A binding that `find` has renewed must expire when that `ttl` has passed');
  },

  'counts the ttl from the last `bind`': async (bench) => {
    const store = await bench.open();
    const [again, anew] = [newSid(), newSid()];
    await store.bind(again, 'a:1', 1);
    await store.bind(again, 'b:2', STAYS);
    await store.bind(anew, 'a:1', 1);
    await store.unbind(anew);
    await store.bind(anew, 'b:2', STAYS);
    await sleep(WAIT);
    holds(await store.find(again), 'b:2', '`bind` must set the expiry anew, whatever it was before');
    holds(await store.find(anew), 'b:2', '`bind` after `unbind` must set the expiry anew, whatever it was before');
  },
};

/** Behaviours of stores that several proxies share, which show only after some time. */
export const SHARED_LASTING: Clauses = {
  'renews a binding for other stores too': async (bench) => {
    const [one, other] = [await bench.open(), await bench.open()];
    const sid = await bindAndFind(one, other, STAYS);
    await sleep(WAIT);
    holds(await one.find(sid), 'a:1', '`find` must renew the expiry for every store');
  },
};

/** Binds a sid for a second and looks it up within that second. Tries again if the machine was too busy for that. */
async function bindAndFind(binding: Subject, finding: Pick<Subject, 'find'>, ttl: number): Promise<string> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const sid = newSid();
    const start = performance.now();
    await binding.bind(sid, 'a:1', 1);
    const found = await finding.find(sid, ttl);
    if (found !== undefined || performance.now() - start < 1000) {
      holds(found, 'a:1', 'A `bind` that has resolved must be found, also with a `ttl` of a second');
      return sid;
    }
  }
  throw new Error(`a \`bind\` and a \`find\` took longer than a second, ${ATTEMPTS} times`);
}
