import { textOfRecord, recordOf, type HostShown, type MemberRecord } from '../../src/fleet/member';
import { Members, type Comings } from '../../src/fleet/members';

const HOST: HostShown = {
  host: 'a:1', state: 'up', sessions: 3, tunnels: 2, polls: 1, handshakesPerSecond: 0.5, idle: false, sids: Int32Array.of(1, -2, 3),
  life: 4000,
};
const RECORD: MemberRecord = {
  version: '1.0.0', age: 500, interval: 1000, ready: true, workers: 1, revision: '', hosts: [HOST], level: 2, without: ['b:1'],
  ended: [{ sid: 'x', ago: 5 }], sharing: false, left: false,
  spelling: { hosts: 'x', path: '/socket.io/', keyPrefix: 'p#' },
};
const NONE: Comings = { came: [], went: [], other: [] };

/** What Redis shows to `me`, at times by a clock that is the same for all. */
class Shown {
  readonly members = new Members('me', 5000);
  readonly #records = new Map<string, { record: string; at: number }>();

  show(id: string, at: number, record: Partial<MemberRecord> = {}): this {
    this.#records.set(id, { record: textOfRecord({ ...RECORD, ...record }), at });
    return this;
  }

  /** @param now Redis's clock. @param time ours. */
  read(now: number, time = now): Comings {
    this.show('me', now);
    return this.members.take({ now, revision: '', members: new Map(this.#records), registers: undefined }, time);
  }

  get shown(): Map<string, { record: string; at: number }> {
    return new Map(this.#records);
  }

  get lost(): MemberRecord[] {
    return this.members.lost.map(({ record }) => record);
  }

  get ids(): string[] {
    return this.members.at(0).map(({ id }) => id);
  }
}

describe('a member', () => {
  it('comes when it shows itself, and is gone after three of its intervals without a beat', () => {
    const shown = new Shown();
    expect(shown.read(0)).toEqual(NONE);
    shown.show('other', 500);
    expect(shown.read(1000)).toEqual({ ...NONE, came: ['other'] });
    for (const time of [2000, 3000, 4000]) expect(shown.read(time)).toEqual(NONE);
    expect(shown.ids).toEqual(['me', 'other']);
    expect(shown.read(5000)).toEqual({ ...NONE, went: ['other'] });
    expect(shown.ids).toEqual(['me']);
    expect(shown.read(6000)).toEqual(NONE);
    shown.show('other', 6500);
    expect(shown.read(7000)).toEqual({ ...NONE, came: ['other'] });
  });

  it.each(['', 'a b', '\u001b[2J', 'é', 'x'.repeat(65)])('is none by an id that cannot be shown as it is: %j', (id) => {
    expect(new Shown().show(id, 0).read(0)).toEqual(NONE);
    expect(new Shown().show('x'.repeat(64), 0).read(0).came).toHaveLength(1);
  });

  it('has its own interval', () => {
    const shown = new Shown().show('slow', 0, { interval: 5000 });
    for (let time = 0; time <= 15_000; time += 1000) shown.read(time);
    expect(shown.ids).toEqual(['me', 'slow']);
    expect(shown.read(16_000)).toEqual({ ...NONE, went: ['slow'] });
  });

  it('is none where it ended before this one began', () => {
    expect(new Shown().show('old', 0).read(3001)).toEqual(NONE);
    expect(new Shown().show('left', 3000, { left: true }).read(3001)).toEqual(NONE);
  });

  it('is gone at once where it says so', () => {
    const shown = new Shown().show('other', 0);
    shown.read(0);
    shown.show('other', 900, { left: true });
    expect(shown.read(1000)).toEqual({ ...NONE, went: ['other'] });
    expect(shown.read(2000)).toEqual(NONE);
  });

  it('is not gone because nothing could be read here', () => {
    const shown = new Shown().show('other', 0);
    shown.read(0);
    expect(shown.read(60_000)).toEqual(NONE);
    shown.show('other', 60_500);
    expect(shown.read(61_000)).toEqual(NONE);
    // From then on it is silent.
    for (const time of [62_000, 63_000, 64_000]) expect(shown.read(time)).toEqual(NONE);
    expect(shown.read(65_000)).toEqual({ ...NONE, went: ['other'] });
  });

  it('that is silent comes once only where the clock of another Redis is behind', () => {
    const shown = new Shown().show('other', 1_000_000);
    shown.read(1_000_000, 0);
    const comings = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((second) => shown.read(900_000 + 1000 * second, 1000 * second));
    expect(comings.filter(({ came, went }) => came.length + went.length > 0)).toEqual([{ ...NONE, went: ['other'] }]);
  });

  it('is listed behind this one, the oldest first, with the time since it showed itself', () => {
    const shown = new Shown().show('young', 900, { age: 100 }).show('old', 950, { age: 900 });
    shown.read(1000);
    expect(shown.members.at(2000)).toMatchObject([
      { id: 'me', self: true, since: 500, seenAgo: 1000 }, { id: 'old', since: 50, seenAgo: 1050 }, { id: 'young', since: 800 },
    ]);
  });
});

describe('those who spell otherwise', () => {
  const other = { hosts: 'x', path: '/other/', keyPrefix: 'p#' };

  it('are told once, until they agree again', () => {
    const shown = new Shown().show('other', 0, { spelling: other });
    expect(shown.read(0)).toEqual({ came: ['other'], went: [], other: ['other'] });
    expect(shown.members.differencesOf('other')).toEqual(['path']);
    shown.show('other', 1000, { spelling: other });
    expect(shown.read(1000)).toEqual(NONE);
    shown.show('other', 2000);
    expect(shown.read(2000)).toEqual(NONE);
    expect(shown.members.differencesOf('other')).toEqual([]);
    shown.show('other', 3000, { spelling: other });
    expect(shown.read(3000)).toEqual({ ...NONE, other: ['other'] });
  });

  it('are not those who have other hosts for a moment, since a change reaches one later than another', () => {
    const spelling = { ...RECORD.spelling, hosts: 'y' };
    const shown = new Shown();
    const pass = (times: readonly number[], other: MemberRecord['spelling']): Comings[] => times.map((time) => {
      shown.show('other', time, { spelling: other });
      return shown.read(time);
    });
    pass([0], RECORD.spelling);
    expect(pass([1000, 2000, 3000], spelling)).toEqual([NONE, NONE, NONE]);
    expect(shown.members.differencesOf('other')).toEqual([]);
    // Another change counts anew.
    expect(pass([4000, 5000, 6000], { ...spelling, hosts: 'z' })).toEqual([NONE, NONE, NONE]);
    expect(pass([7000], { ...spelling, hosts: 'z' })).toEqual([{ ...NONE, other: ['other'] }]);
    expect(shown.members.differencesOf('other')).toEqual(['hosts']);
    expect(pass([8000], RECORD.spelling)).toEqual([NONE]);
    expect(shown.members.differencesOf('other')).toEqual([]);
  });

  it('are not told for a time in which nothing could be read', () => {
    const spelling = { ...RECORD.spelling, hosts: 'y' };
    const shown = new Shown().show('other', 0, { spelling });
    shown.read(0);
    // Redis was frozen just after a change.
    for (const time of [9000, 10_000, 11_000]) {
      shown.show('other', time, { spelling });
      expect(shown.read(time)).toEqual(NONE);
    }
    shown.show('other', 12_000, { spelling });
    expect(shown.read(12_000)).toEqual({ ...NONE, other: ['other'] });
  });

  it('are of another fleet where prefix and hosts are others, and of this one where they share a host', () => {
    const spelling = { ...RECORD.spelling, keyPrefix: 'q#' };
    const shown = new Shown().show('foreign', 0, { spelling, hosts: [{ ...HOST, host: 'c:1' }] }).show('same', 0, { spelling });
    expect(shown.read(0)).toEqual({ came: ['same'], went: [], other: ['same'] });
    expect(shown.members.differencesOf('same')).toEqual(['keyPrefix']);
  });
});

describe('nobody is gone', () => {
  it('where Redis was away and has lost its data, until some beats have been missed since', () => {
    const shown = new Shown().show('other', 0);
    shown.read(0);
    // Just before its next beat, and the last reading for a while.
    shown.read(1900);
    const empty = (now: number): Comings => {
      const members = new Map([['me', { record: textOfRecord(RECORD), at: now }]]);
      return shown.members.take({ now, revision: '', members, registers: undefined }, now);
    };
    for (const now of [61_900, 62_900, 63_900, 64_900]) expect(empty(now)).toEqual(NONE);
    expect(empty(64_901)).toEqual({ ...NONE, went: ['other'] });
  });

  it('where Redis has just lost what they may have written', () => {
    const shown = new Shown().show('other', 0);
    const lose = (now: number): Comings => {
      const members = new Map([['me', { record: textOfRecord(RECORD), at: now }]]);
      return shown.members.take({ now, revision: '', members, isNew: now === 3001, registers: undefined }, now);
    };
    for (const now of [0, 1000, 2000, 3000]) shown.read(now);
    for (const now of [3001, 4000, 5000, 6001]) expect(lose(now)).toEqual(NONE);
    expect(lose(6002)).toEqual({ ...NONE, went: ['other'] });
  });

  it('but a member is that fell silent before all beats became rarer', () => {
    const shown = new Shown().show('other', 0);
    shown.read(0);
    const seen: string[][] = [];
    for (let now = 5000; now <= 20_000; now += 5000) {
      shown.show('me', now, { interval: 5000 });
      seen.push([...shown.members.take({ now, revision: '', members: shown.shown, registers: undefined }, now).went]);
    }
    expect(seen.flat()).toEqual(['other']);
  });
});

describe('what a vanished member showed last is kept while its sessions may go on:', () => {
  it('where it fell silent', () => {
    const shown = new Shown().show('other', 0);
    for (const now of [0, 1000, 2000, 3000]) shown.read(now);
    expect(shown.members.lost).toEqual([]);
    shown.read(3001);
    expect(shown.lost).toEqual([RECORD]);
    for (const now of [4000, 5000]) shown.read(now);
    expect(shown.lost).toEqual([RECORD]);
    shown.read(5001);
    expect(shown.members.lost).toEqual([]);
  });

  it('where it had fallen silent before anybody looked', () => {
    const shown = new Shown().show('other', 0);
    shown.read(4000, 100);
    expect(shown.lost).toEqual([RECORD]);
    shown.read(5000, 1100);
    expect(shown.lost).toEqual([RECORD]);
    shown.read(5001, 1101);
    expect(shown.members.lost).toEqual([]);
  });

  it('of each host for as long as its sessions may go on', () => {
    const [short, long] = [{ ...HOST, life: 0 }, { ...HOST, host: 'b:1', life: 9000 }];
    const shown = new Shown().show('other', 0, { hosts: [short, long] });
    for (let now = 0; now <= 5000; now += 1000) shown.read(now);
    const lostOf = (): string[][] => shown.lost.map(({ hosts }) => hosts.map(({ host }) => host));
    expect(lostOf()).toEqual([['a:1', 'b:1']]);
    shown.read(5001);
    expect(lostOf()).toEqual([['b:1']]);
    shown.read(9000);
    expect(lostOf()).toEqual([['b:1']]);
    shown.read(9001);
    expect(lostOf()).toEqual([]);
  });

  it('where it left', () => {
    const shown = new Shown().show('leaver', 0);
    shown.read(0);
    shown.show('leaver', 1000, { left: true });
    for (const now of [1000, 3000, 6000]) {
      shown.read(now);
      expect([shown.ids, shown.lost]).toEqual([['me'], [{ ...RECORD, left: true }]]);
    }
    shown.read(6001);
    expect(shown.members.lost).toEqual([]);
  });

  it('but not where it is back', () => {
    const shown = new Shown().show('other', 0);
    for (const now of [0, 1000, 2000, 3000, 3001]) shown.read(now);
    expect(shown.members.lost).toHaveLength(1);
    shown.show('other', 3500);
    shown.read(3500);
    expect(shown.members.lost).toEqual([]);
  });
});

describe('a record', () => {
  it('is read as it was written', () => {
    expect(recordOf(textOfRecord(RECORD))).toEqual(RECORD);
    expect(recordOf(textOfRecord({ ...RECORD, hosts: [{ ...HOST, idle: true, sids: new Int32Array(0) }] }))?.hosts[0]?.idle).toBe(true);
  });

  it.each<[what: string, record: Partial<MemberRecord>, keep: number]>([
    ['something is there', {}, 4000],
    ['it has left something there', { left: true }, 4000],
    ['it has left nothing there', { left: true, hosts: [{ ...HOST, sessions: 0, tunnels: 0, polls: 0 }] }, 0],
    ['something may come', { hosts: [{ ...HOST, sessions: 0, tunnels: 0, polls: 0 }] }, 4000],
    ['the host is drained', { hosts: [{ ...HOST, idle: true, sessions: 0, tunnels: 0, polls: 0 }] }, 0],
    ['nobody would live to see it', { hosts: [{ ...HOST, life: 1e11 }] }, 86_400_000],
    ['there is no host', { hosts: [] }, 0],
  ])('begins with how long it is needed where %s', (_, record, keep) => {
    expect(textOfRecord({ ...RECORD, ...record })).toMatch(new RegExp(`^{"keep":${keep},`));
  });

  it.each([1, null, '*', 'AAA', 'AAAAAAA'])('has no hash that is cut or malformed: %j', (sids) => {
    const text = textOfRecord(RECORD).replace(/"[^"]*",4\]\]/, `${JSON.stringify(sids)},4]]`);
    expect(recordOf(text)?.hosts[0]?.sids).toEqual(Int32Array.from(sids === 'AAAAAAA' ? [0] : []));
  });

  it.each([1e13, 1e17, 1e308, -1, '1', null])('has no number that nobody could have: %j', (number) => {
    const text = textOfRecord(RECORD).replace('"age":500', `"age":${JSON.stringify(number)}`);
    expect(recordOf(text)).toMatchObject({ age: 0 });
    expect(new Date(1_800_000_000_000 - (recordOf(text)?.age ?? NaN)).toISOString()).toMatch(/^2027/);
  });

  it('has no more sessions that have ended than a member shows, and none that is malformed', () => {
    const ended = Array.from({ length: 101 }, (_, i) => ({ sid: `x${i}`, ago: i }));
    expect(recordOf(textOfRecord({ ...RECORD, ended }))?.ended).toEqual(ended.slice(0, 100));
    const text = textOfRecord(RECORD).replace('"ended":[["x",5]]', '"ended":[1,null,[],[1,2],["y",-1],["z"]]');
    expect(recordOf(text)?.ended).toEqual([{ sid: 'y', ago: 0 }, { sid: 'z', ago: 0 }]);
  });

  it.each(['', 'null', '1', '"text"', '{', '[1'])('is none: %s', (text) => {
    expect(recordOf(text)).toBeUndefined();
  });

  it.each([
    '{}', '[]', '{"hosts":{"a:1":1},"without":"b:1","spelling":[1],"age":-1,"interval":"1"}',
    '{"hosts":[1,null,[],[1],{"host":"a:1"}],"spelling":null,"workers":1e999}',
  ])('is read as far as it can be: %s', (text) => {
    expect(recordOf(text)).toMatchObject({ hosts: [], age: 0, interval: 0, workers: 0, spelling: { hosts: '', path: '' } });
  });

  it('is not believed to be kept for hours, and what it says beyond is left alone', () => {
    const record = recordOf('{"interval":1e12,"more":1,"hosts":[["a:1",9,-1,"2",null,"x",7]]}');
    expect(record).toMatchObject({
      interval: 20_000, hosts: [{ host: 'a:1', state: 'checking', sessions: 0, tunnels: 0, polls: 0, handshakesPerSecond: 0 }],
    });
    expect(record).not.toHaveProperty('more');
  });
});
