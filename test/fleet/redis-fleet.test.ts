import type { Reading } from '../../src/fleet/fleet-store';
import { RedisFleet } from '../../src/fleet/redis-fleet';
import { BRIEF_LIFE, CLEARED, LIFE, type Write } from '../../src/fleet/registers';
import { ModelStore } from '../support/fleet-model';
import { Random } from '../support/random';
import { openClient, RedisProcess, type TestClient } from '../support/redis';

const MEMBERS = '{socket.io-fleet}:members';
const STATE = '{socket.io-fleet}:state:p#';

let redis: TestClient;
let fleet: RedisFleet;

beforeAll(async () => {
  // The members' key is one for all: not the Redis that the tests share.
  redis = await openClient((await RedisProcess.start()).url);
  fleet = new RedisFleet((script, keys, args) => redis.eval(script, { keys: [...keys], arguments: [...args] }), 'p#');
});

beforeEach(async () => {
  await redis.flushAll();
});

const write = (name: string, value: string, at = 0, by = 'me'): Write => ({ name, register: { value, at, by }, isNew: true });
const rewrite = (...args: Parameters<typeof write>): Write => ({ ...write(...args), isNew: false });

const beat = (writes: Write[] = [], revision = '', id = 'me', record = '{}'): Promise<Reading> =>
  fleet.beat({ id, record, revision, writes });

describe('a beat', () => {
  it('shows the member, and reads who else has', async () => {
    await beat([], '', 'other', '{"a":"line\\nand ünicode"}');
    const { now, revision, members, registers } = await beat();
    expect([...members.keys()].sort()).toEqual(['me', 'other']);
    expect(members.get('other')?.record).toBe('{"a":"line\\nand ünicode"}');
    expect(members.get('me')).toEqual({ record: '{}', at: now });
    expect([revision, registers]).toEqual(['', undefined]);
  });

  it('dates what is new, after all that was there, and reads what has changed', async () => {
    const first = await beat([write('a', '1'), write('b', '{"x":[1]}')]);
    expect(first.registers).toEqual(new Map([
      ['a', { value: '1', at: first.now, by: 'me' }], ['b', { value: '{"x":[1]}', at: first.now, by: 'me' }],
    ]));
    expect(first.revision).toBe(`${first.now} me`);
    expect((await beat([], first.revision)).registers).toBeUndefined();
    expect((await beat([], 'another')).registers).toEqual(first.registers);
    const ahead = first.now + 1_000_000;
    const second = await beat([write('a', '2', ahead), rewrite('b', '3', ahead, 'x')], first.revision);
    expect(second.registers?.get('a')).toEqual({ value: '2', at: ahead + 1, by: 'me' });
    const third = await beat([write('b', '4')], second.revision);
    expect(third.registers?.get('b')).toEqual({ value: '4', at: ahead + 1, by: 'me' });
    expect(third.revision).not.toBe(second.revision);
  });

  it('writes again what is newer, and only that', async () => {
    const { now, revision } = await beat([write('a', '1')]);
    const same = await beat([rewrite('a', '0', now - 1), rewrite('a', '0', now, 'a')], revision);
    expect([same.revision, same.registers]).toEqual([revision, undefined]);
    expect((await beat([rewrite('a', '2', now, 'z')], revision)).registers?.get('a')).toEqual({ value: '2', at: now, by: 'z' });
  });

  it('forgets what was cleared long ago, and members who were silent for a minute', async () => {
    const { now } = await beat([write('young', CLEARED), write('b', '1')]);
    await redis.hSet(STATE, 'old', `${now - LIFE - 1} me ${CLEARED}`);
    await redis.hSet(STATE, {
      'end old': `${now - BRIEF_LIFE - 1} me ${CLEARED}`, 'end young': `${now} me ${CLEARED}`, 'end x': `${now - LIFE} me "ended"`,
    });
    await redis.hSet(MEMBERS, { gone: `${now - 61_000} {}`, silent: `${now - 50_000} {}`, ahead: `${now + 100_000} {}` });
    await beat();
    expect(await redis.hGet(STATE, 'old')).not.toBeNull();
    await beat([write('b', '2')]);
    expect((await redis.hKeys(STATE)).sort()).toEqual(['b', 'end x', 'end young', 'revision', 'young']);
    expect((await redis.hKeys(MEMBERS)).sort()).toEqual(['me', 'silent']);
  });

  it('keeps the record of a silent member for as long as that says that it is needed, and for a day at most', async () => {
    const { now } = await beat();
    const silent = (keep: number, ago: number): string => `${now - ago} {"keep":${keep},"more":1}`;
    await redis.hSet(MEMBERS, {
      needed: silent(300_000, 299_000), over: silent(300_000, 301_000), little: silent(0, 50_000),
      day: silent(1e12, 86_300_000), older: silent(1e12, 86_401_000),
    });
    await beat();
    expect((await redis.hKeys(MEMBERS)).sort()).toEqual(['day', 'little', 'me', 'needed']);
  });

  it('keeps both keys for an hour, and no others', async () => {
    await beat([write('a', '1')]);
    expect((await redis.keys('*')).sort()).toEqual([MEMBERS, STATE]);
    for (const key of [MEMBERS, STATE]) expect(Math.abs(await redis.pTTL(key) - LIFE)).toBeLessThan(LIFE / 2);
  });

  it('leaves alone what it cannot read, until that is written', async () => {
    const odd = { a: 'garbage', b: '', c: '12', d: '9999999999999999 x 1', 'e f': '-1 x 1', revision: 'x' };
    await redis.hSet(STATE, odd);
    await redis.hSet(MEMBERS, { odd: 'garbage', odder: '9999999999999999 {}' });
    const read = await beat();
    expect([read.registers, [...read.members.keys()]]).toEqual([new Map(), ['me']]);
    expect(await redis.hGetAll(STATE)).toEqual(odd);
    const { registers, now } = await beat(['a', 'b', 'c', 'd'].map((name) => write(name, '1')));
    expect(registers).toEqual(new Map(['a', 'b', 'c', 'd'].map((name) => [name, { value: '1', at: now, by: 'me' }])));
  });

  it.each(['9000000000000', '9000000000001', '9999999999999', '99999999999999', '999999999999999', '9'.repeat(400)])(
    'overwrites what has a time that nobody has ever had: %s', async (time) => {
      await redis.hSet(STATE, { a: `${time} evil "x"`, revision: `${time} evil` });
      expect((await beat()).registers?.get('a')).toBeUndefined();
      const { now, registers, revision } = await beat([write('a', '1')]);
      expect(registers?.get('a')).toEqual({ value: '1', at: now, by: 'me' });
      expect((await beat([], revision)).registers).toBeUndefined();
    },
  );

  it('reads no record that is longer than that of any member', async () => {
    const { now } = await beat();
    await redis.hSet(MEMBERS, { huge: `${now} ${'x'.repeat(1_000_001)}`, large: `${now} ${'x'.repeat(1_000_000)}` });
    expect([...(await beat()).members.keys()].sort()).toEqual(['large', 'me']);
  });

  it('is refused where a key holds something else', async () => {
    await redis.set(STATE, 'text');
    await expect(beat()).rejects.toThrow(/WRONGTYPE/);
  });

  it('takes the state of 1000 hosts at once', async () => {
    const writes = Array.from({ length: 3000 }, (_, i) => write(`weight host-${i}:1`, String(i)));
    expect((await beat(writes)).registers?.size).toBe(3000);
  });
});

it.each([undefined, null, 'OK', [], ['x', '', [], null]])('is told of a client that answers a script with %j', async (answer) => {
  const odd = new RedisFleet(() => Promise.resolve(answer), 'p#');
  await expect(odd.beat({ id: 'me', record: '{}', revision: '', writes: [] })).rejects.toThrow(TypeError);
});

it('reads values that a client returns as buffers', async () => {
  const pairs = ['me', '5 {}'].map((text) => Buffer.from(text));
  const odd = new RedisFleet(() => Promise.resolve([Buffer.from('5'), Buffer.from(''), pairs, null]), 'p#');
  expect(await odd.beat({ id: 'me', record: '{}', revision: '', writes: [] })).toEqual({
    now: 5, revision: '', members: new Map([['me', { record: '{}', at: 5 }]]), isNew: false, registers: undefined,
  });
});

it('does what the model does, whatever is asked of it', async () => {
  const random = new Random(17);
  for (let round = 0; round < 10; round += 1) {
    await redis.flushAll();
    const model = Object.assign(new ModelStore(), { now: 2 * LIFE });
    for (let step = 0; step < 60; step += 1) {
      const writes = Array.from({ length: random.below(4) }, (_, i): Write => {
        const at = random.pick([0, 1, 2, model.now - LIFE - 5, model.now - 1, model.now, model.now + random.below(5000)]);
        const value = random.pick(['1', '2', '"a b"', CLEARED]);
        const name = `${random.pick(['a', 'b', 'c d'])}${i}`;
        return { name, register: { value, at, by: random.pick(['x', 'y']) }, isNew: random.chance(50) };
      });
      const id = random.pick(['x', 'y', 'z']);
      const record = `{"keep":${random.below(100)},"step":${step}}`;
      const asked = { id, record, revision: random.chance(70) ? model.revision : '', writes };
      const reading = await fleet.beat(asked);
      model.now = reading.now;
      expect(await model.beat(asked)).toEqual(reading);
    }
  }
});
