import { inspect } from 'node:util';
import { holds, newSid, sleep, STAYS, type Bench } from './store-bench';

/** A behaviour of a store → the check of it. */
export type Clauses = Record<string, (bench: Bench) => Promise<void>>;

/** In seconds. */
const MONTH = 31 * 86_400;

const HOSTS = [
  'localhost:3000', 'HTTPS://Chat-1.example', 'http://[::1]:3000', 'm\u00fcnchen.example:80',
  `${'h'.repeat(63)}.example:1`,
];

/** Unusual characters of sids, to append to a sid. */
const UNUSUAL = [
  ' ', ':', '{a}', '#', '/../', '+&=?%41', '\'"`', '\\', '\n\r\t', '\0', '\u00e9', '\u6f22\u5b57', '\u{1f642}', '$a',
  ';--', 'x'.repeat(464), '\u6f22'.repeat(464),
];

/** Behaviours of every store. */
export const CLAUSES: Clauses = {
  'finds the host that a sid was bound to, as soon as `bind` has resolved': async (bench) => {
    const store = await bench.open();
    const sid = newSid();
    await store.bind(sid, 'a:1');
    for (let i = 0; i < 3; i += 1) holds(await store.find(sid), 'a:1', '`find` must resolve to the bound host');
  },

  'finds `undefined` for a sid that is unknown': async (bench) => {
    const store = await bench.open();
    const unknown = newSid();
    // A client may ask for any sid, also for the name of an object's member.
    for (const sid of [unknown, unknown, 'constructor', '__proto__', 'toString']) {
      holds(await store.find(sid), undefined, `\`find\` of an unknown sid must resolve to undefined, ${sid} too`);
    }
  },

  'forgets a sid that is unbound, and no other': async (bench) => {
    const store = await bench.open();
    const [sid, other] = [newSid(), newSid()];
    await store.bind(sid, 'a:1');
    await store.bind(other, 'a:1');
    await store.unbind(sid);
    holds(await store.find(sid), undefined, '`find` after `unbind` must resolve to undefined');
    holds(await store.find(other), 'a:1', '`unbind` of one sid must leave other sids bound');
    await store.bind(sid, 'b:2');
    holds(await store.find(sid), 'b:2', 'A sid that is bound again after `unbind` must be found');
  },

  'takes the unbinding of a sid that is unknown': async (bench) => {
    const store = await bench.open();
    const sid = newSid();
    await store.unbind(sid);
    holds(await store.find(sid), undefined, '`find` after `unbind` of an unknown sid must resolve to undefined');
  },

  'finds the host that was bound last': async (bench) => {
    const store = await bench.open();
    const sid = newSid();
    for (const host of ['a:1', 'b:2', 'a:1']) {
      await store.bind(sid, host);
      holds(await store.find(sid), host, '`bind` of a sid that is bound must overwrite its host');
    }
  },

  'binds by `claim`, if it has that, sids that are not bound, and tells the host of those that are': async (bench) => {
    const store = await bench.open();
    const [sid, unbound] = [newSid(), newSid()];
    await store.bind(sid, 'a:1');
    const bound = await store.claim(sid, 'b:2');
    if (bound === undefined) return;
    holds(bound, 'a:1', '`claim` of a bound sid must resolve with the host that it is bound to');
    holds(await store.find(sid), 'a:1', '`claim` must leave a bound sid as it is');
    holds(await store.claim(sid, 'a:1'), 'a:1', '`claim` of a sid by its own host must resolve with that host');
    holds(await store.claim(unbound, 'b:2'), 'b:2', '`claim` of a sid that is not bound must resolve with its host');
    holds(await store.find(unbound), 'b:2', '`claim` must bind a sid that is not bound');
    const sids = Array.from({ length: 20 }, newSid);
    const claims = await Promise.all(sids.flatMap((each) => ['a:1', 'b:2'].map((host) => store.claim(each, host))));
    const found = await Promise.all(sids.map((each) => store.find(each)));
    const clause = '`claim` must look and bind in one step: of two claims at the same time one must win';
    holds(claims, found.flatMap((host) => [host, host]), `${clause}, and both must tell which`);
  },

  'takes over by `claim`, if it has that, the sid of the host that is named, and of no other': async (bench) => {
    const store = await bench.open();
    const [sid, unbound] = [newSid(), newSid()];
    await store.bind(sid, 'a:1');
    const kept = await store.claim(sid, 'b:2', STAYS, 'c:3');
    if (kept === undefined) return;
    holds(kept, 'a:1', '`claim` over one host must leave a sid that is bound to another one, and tell that');
    holds(await store.claim(sid, 'b:2', STAYS, 'a:1'), 'b:2', '`claim` over its host must bind the sid instead');
    holds(await store.find(sid), 'b:2', '`claim` over its host must bind the sid instead');
    holds(await store.claim(unbound, 'b:2', STAYS, 'a:1'), 'b:2', '`claim` must bind a sid that is not bound');
    const sids = Array.from({ length: 20 }, newSid);
    for (const each of sids) await store.bind(each, 'a:1');
    const claims = await Promise.all(sids.flatMap((each) => (
      ['b:2', 'c:3'].map((host) => store.claim(each, host, STAYS, 'a:1'))
    )));
    const found = await Promise.all(sids.map((each) => store.find(each)));
    const clause = '`claim` over a host must look and bind in one step: of two claims at the same time one must win';
    holds(claims, found.flatMap((host) => [host, host]), `${clause}, and both must tell which`);
  },

  'forgets by `release`, if it has that, what is bound to the host and expires in time': async (bench) => {
    const store = await bench.open();
    const sid = newSid();
    await store.bind(sid, 'a:1');
    await store.release(sid, 'b:2', 2 * STAYS);
    holds(await store.find(sid), 'a:1', '`release` must leave a sid that is bound to another host');
    await store.release(sid, 'a:1', STAYS / 2);
    holds(await store.find(sid), 'a:1', '`release` must leave a binding that lives longer than it says');
    if (!await store.release(sid, 'a:1', 2 * STAYS)) return;
    holds(await store.find(sid), undefined, '`release` must forget a binding that lives no longer than it says');
    await store.release(sid, 'a:1', STAYS);
  },

  'keeps every host as it stands': async (bench) => {
    const store = await bench.open();
    for (const host of HOSTS) {
      const sid = newSid();
      await store.bind(sid, host);
      holds(await store.find(sid), host, 'A host must be found as it was bound, to the letter');
    }
  },

  'takes sids with any characters, and of up to 512': async (bench) => {
    const store = await bench.open();
    await Promise.all(UNUSUAL.map(async (part) => {
      const sid = newSid() + part;
      const clause = `A sid may hold any characters, and up to 512; with ${inspect(part)} in it`;
      holds(await store.find(sid), undefined, `${clause}, one that is unknown must not be found`);
      await store.bind(sid, 'a:1');
      holds(await store.find(sid), 'a:1', `${clause}, one that is bound must be found`);
      await store.unbind(sid);
      holds(await store.find(sid), undefined, `${clause}, one that is unbound must not be found`);
    }));
  },

  'keeps sids apart that differ little': async (bench) => {
    const store = await bench.open();
    const sid = newSid();
    const twins = [
      sid, sid.toUpperCase(), ` ${sid}`, `${sid} `, `${sid}0`, `${sid}\0`, `${sid}\u00e9`, `${sid}e\u0301`, `${sid}e`,
      sid.padEnd(511, 'x'), sid.padEnd(512, 'x'),
    ];
    const hostOf = (twin: string): string => `a:${twins.indexOf(twin) + 1}`;
    for (const twin of twins) await store.bind(twin, hostOf(twin));
    // The wildcards of some query languages are ordinary characters in a sid.
    for (const wildcard of ['%', '*', '.*', '?', '_']) {
      const pattern = sid.slice(0, -1) + wildcard;
      holds(await store.find(pattern), undefined, 'A sid is no pattern: `find` must take it literally');
      await store.unbind(pattern);
    }
    const clause = 'Sids that differ in one character are not the same, and each must have its host';
    for (const twin of twins) holds(await store.find(twin), hostOf(twin), `${clause}, ${inspect(twin)} too`);
  },

  'takes an empty host, with which a proxy asks whether it works': async (bench) => {
    const store = await bench.open();
    const sid = newSid();
    await store.bind(sid, '', 1);
    await store.find(sid, 1);
  },

  'keeps calls apart that are made at once': async (bench) => {
    const store = await bench.open();
    const sids = Array.from({ length: 100 }, newSid);
    const hosts = sids.map((_, i) => `a:${i + 1}`);
    const rest = hosts.map((host, i) => (i % 2 === 0 ? undefined : host));
    await Promise.all(sids.map((sid, i) => store.bind(sid, `a:${i + 1}`)));
    const found = await Promise.all(sids.flatMap((sid) => [store.find(sid), store.find(newSid())]));
    const clause = 'Each of many calls at once must concern its own sid, and no other';
    holds(found, hosts.flatMap((host) => [host, undefined]), `${clause}: \`bind\`, then \`find\``);
    await Promise.all(sids.filter((_, i) => i % 2 === 0).map((sid) => store.unbind(sid)));
    holds(await Promise.all(sids.map((sid) => store.find(sid))), rest, `${clause}: \`unbind\` of every other one`);
  },

  'keeps a binding whose ttl is longer than a month': async (bench) => {
    const store = await bench.open();
    const sid = newSid();
    // In milliseconds, too long for a timer of Node.js; in seconds, too long for a duration of some stores.
    await store.bind(sid, 'a:1', MONTH);
    await sleep(50);
    holds(await store.find(sid, MONTH), 'a:1', 'A `ttl` may be as long as `keyExpiry`, which may be years');
  },

  'stores what is bound before `open` has resolved, or rejects': async (bench) => {
    const store = await bench.make();
    const sid = newSid();
    const opening = store.open();
    const stored = store.bind(sid, 'a:1').then(() => true, () => false);
    await opening;
    const clause = 'A `bind` before `open` has resolved must reject, or be found';
    if (await stored) holds(await store.find(sid), 'a:1', clause);
  },

  'closes when it was never opened': async (bench) => {
    const store = await bench.make();
    await store.close();
  },

  'tells of no failure by `watch` while it works': async (bench) => {
    const store = await bench.make();
    const failures = store.watch();
    await store.open();
    const sid = newSid();
    await store.bind(sid, 'a:1');
    holds(await store.find(sid), 'a:1', '`find` must resolve to the bound host while somebody watches');
    holds(failures[0], undefined, '`watch` must call `failed` only when the store has become unable to serve');
  },
};

/** Behaviours of stores that several proxies share. */
export const SHARED: Clauses = {
  'shares its bindings with other stores, at once': async (bench) => {
    const [one, other] = [await bench.open(), await bench.open()];
    const clause = (what: string): string =>
      `${what} must be seen through every store that \`create\` makes (\`shared: false\` if it serves one proxy alone)`;
    for (let i = 0; i < 10; i += 1) {
      const sid = newSid();
      holds(await other.find(sid), undefined, '`find` of a sid that is not bound must resolve to undefined');
      await one.bind(sid, 'a:1');
      holds(await other.find(sid), 'a:1', clause('A `bind` that has resolved'));
      await other.bind(sid, 'b:2');
      holds(await one.find(sid), 'b:2', clause('A `bind` that overwrites'));
      await other.unbind(sid);
      holds(await one.find(sid), undefined, clause('An `unbind`'));
    }
  },

  'keeps its bindings when it is closed': async (bench) => {
    const [one, other] = [await bench.open(), await bench.open()];
    const sid = newSid();
    await one.bind(sid, 'a:1');
    await one.close();
    const clause = '`close` must close what `open` opened, and nothing else: bindings stay for other proxies';
    holds(await other.find(sid), 'a:1', clause);
    holds(await (await bench.open()).find(sid), 'a:1', clause);
  },
};
