import { inspect } from 'node:util';
import { SidStore } from '../../src';
import { Random } from '../support/random';

const [FIRST, SECOND, THIRD] = ['first', 'second', 'third'].map((name) => `${name} ${'secret'.repeat(5)}`) as [string, string, string];
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const HOST = 'http://10.0.0.12:3000';
const store = new SidStore({ secret: FIRST });
const sid = store.tokens.add('lv_VI97HAXpY6yYWAAAC', HOST);

it('finds the host of a sid in its token, in every process that has the secret', async () => {
  const other = new SidStore({ secret: FIRST });
  expect(await other.find(sid)).toBe(HOST);
  expect(await other.inspect(sid)).toEqual({ host: HOST, expiresIn: undefined });
  expect(other.tokens.add('lv_VI97HAXpY6yYWAAAC', HOST)).toBe(sid);
});

it.each([
  'abc', '', 'a.b.c', '.', 'é日本😀', '\x00', '1:a', 'x'.repeat(512),
])('tells the sid of the server again, and the host: %j', async (bare) => {
  for (const host of ['a:1', 'https://münchen.example:8443', `h${'o'.repeat(200)}:1`]) {
    const shown = store.tokens.add(bare, host);
    expect(shown).toMatch(/\.[\w-]+$/);
    expect(store.tokens.cut(shown)).toBe(bare);
    expect(await store.find(shown)).toBe(host);
  }
});

it('tells nobody without the secret what the host is called, nor which sessions have the same one', () => {
  const tokens = Array.from({ length: 100 }, (_, i) => store.tokens.add(`sid${i}`, HOST).split('.')[1] ?? '');
  for (const token of tokens) expect(Buffer.from(token, 'base64url').toString('latin1')).not.toMatch(/10\.0|3000|http/);
  // Nor do any two have a part of three bytes in the same place.
  for (let at = 0; at < 40; at += 4) {
    expect(new Set(tokens.map((token) => token.slice(at, at + 4))).size).toBe(100);
  }
});

it('tells no more of the length of a name than its block', () => {
  const lengthOf = (host: string): number => store.tokens.add('s', host).length;
  expect(['a:1', '10.0.0.9:3000', '10.0.0.120:30000'].map(lengthOf)).toEqual([40, 40, 40]);
  expect(['http://10.0.0.9:3', 'http://10.0.0.120:30000', 'h'.repeat(32)].map(lengthOf)).toEqual([61, 61, 61]);
});

it('binds and forgets nothing: the token is all that there is', async () => {
  expect(await store.claim(sid, HOST)).toBe(HOST);
  await store.bind();
  await store.unbind();
  await store.release();
  expect(await store.find(sid)).toBe(HOST);
  await store.bind();
  expect(await store.find('abc')).toBeUndefined();
});

it('does not find a host by the token of another sid, of another secret, or of none', async () => {
  const token = sid.slice(sid.lastIndexOf('.'));
  const wrong = [
    'lv_VI97HAXpY6yYWAAAC', `lv_VI97HAXpY6yYWAAAD${token}`, token, `.${token}`, `${sid}.`, `${sid}.x`, `x${sid}`, '', '.', HOST,
    `lv_VI97HAXpY6yYWAAAC.${Buffer.from(HOST).toString('base64url')}`, `${sid.slice(0, 20)}.${'A'.repeat(16)}`,
    `${sid.slice(0, 21)}${'A'.repeat(17)}`, new SidStore({ secret: SECOND }).tokens.add('lv_VI97HAXpY6yYWAAAC', HOST),
  ];
  for (const each of wrong) expect([each, await store.find(each)]).toEqual([each, undefined]);
});

it('knows one spelling of a token alone', async () => {
  const spellings = [`${sid}=`, `${sid} `, sid.replaceAll('_', '/'), sid.replaceAll('-', '+'), `${sid}\n`];
  for (const each of spellings) if (each !== sid) expect([each, await store.find(each)]).toEqual([each, undefined]);
  // Of the last character of a token, some bits may be unused.
  for (const host of ['a:1', 'ab:1', 'abc:1']) {
    const shown = store.tokens.add('s', host);
    const others = Array.from(ALPHABET, (last) => shown.slice(0, -1) + last);
    const found = await Promise.all(others.map((each) => store.find(each)));
    expect(found.filter((each) => each !== undefined)).toEqual([host]);
  }
});

it('follows no token that was changed anywhere (seed 2020)', async () => {
  const random = new Random(2020);
  const alphabet = Array.from(`${ALPHABET}.`);
  const rotating = new SidStore({ secret: [FIRST, SECOND] });
  let tried = 0;
  for (let i = 0; i < 20_000; i += 1) {
    const genuine = store.tokens.add(`s${i}`, random.pick(['a:1', HOST, 'https://b.example']));
    const characters = Array.from(genuine);
    for (let left = 1 + random.below(3); left > 0; left -= 1) {
      const at = random.below(characters.length);
      const kind = random.below(4);
      if (kind === 0) characters.splice(at, 1);
      else if (kind === 1) characters.splice(at, 0, random.pick(alphabet));
      else if (kind === 2) characters[at] = random.pick(alphabet);
      else characters.splice(at, characters.length, ...characters.slice(at).reverse());
    }
    const forged = characters.join('');
    if (forged === genuine) continue;
    tried += 1;
    const found = await rotating.find(forged);
    if (found !== undefined) throw new Error(`${forged} is followed to ${found}, made of ${genuine}`);
  }
  expect(tried).toBeGreaterThan(15_000);
});

it('reads tokens of every secret of a list, and makes them with the first: secrets change one proxy after another', async () => {
  const [before, during, after] = [[FIRST], [SECOND, FIRST], [THIRD, SECOND]].map((secret) => new SidStore({ secret })) as
    [SidStore, SidStore, SidStore];
  const [old, recent] = [before.tokens.add('a', HOST), during.tokens.add('a', HOST)];
  expect(await during.find(old)).toBe(HOST);
  expect(await during.find(recent)).toBe(HOST);
  expect(await before.find(recent)).toBeUndefined();
  expect(await after.find(recent)).toBe(HOST);
  expect(await after.find(old)).toBeUndefined();
});

it.each([
  [undefined], [null], [''], ['x'.repeat(31)], [[]], [['x'.repeat(32), 'short']], [Buffer.alloc(32)], [32], [{}],
])('refuses the secret %p, and does not show it', (secret) => {
  const make = (): SidStore => new SidStore({ secret } as never);
  expect(make).toThrow(new TypeError("'secret' must be a string of at least 32 characters, or a list of such strings"));
});

it('refuses to be made without a secret', () => {
  for (const make of [(): unknown => new SidStore(undefined as never), (): unknown => new SidStore('s'.repeat(32) as never)]) {
    expect(make).toThrow(/^'secret' must be/);
  }
});

it('shows its secret to nobody who prints it', () => {
  expect(inspect(store, { depth: 10, showHidden: true }) + JSON.stringify(store)).not.toContain('secret'.repeat(5));
});
