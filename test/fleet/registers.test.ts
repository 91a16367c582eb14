import { BRIEF_LIFE, CLEARED, isNewer, LIFE, Registers, type Register } from '../../src/fleet/registers';

const register = (value: string, at: number, by = 'other'): Register => ({ value, at, by });
const stored = (...all: [name: string, register: Register][]): Map<string, Register> => new Map(all);

/** What Redis has after it has dated what is new. */
function dated(registers: Registers, at: number): Map<string, Register> {
  return new Map(registers.writes.map(({ name, register: { value, by } }) => [name, { value, by, at }]));
}

describe('of two values', () => {
  it.each<[Register, Register | undefined, boolean]>([
    [register('1', 2), register('2', 1), true],
    [register('1', 1), register('2', 2), false],
    [register('1', 1, 'b'), register('2', 1, 'a'), true],
    [register('1', 1, 'a'), register('2', 1, 'b'), false],
    [register('1', 1), register('1', 1), false],
    [register('1', 0), undefined, true],
  ])('%j counts, and not %j: %s', (one, other, counts) => {
    expect(isNewer(one, other)).toBe(counts);
  });
});

describe('a write', () => {
  it('holds here at once, and is new to Redis until that has it', () => {
    const registers = new Registers();
    registers.write('a', '1', 'me');
    expect(registers.get('a')?.value).toBe('1');
    expect(registers.writes).toEqual([{ name: 'a', register: register('1', 0, 'me'), isNew: true }]);
    const { writes } = registers;
    expect(registers.take(dated(registers, 5), writes, 5)).toEqual([]);
    expect([registers.writes, registers.get('a')]).toEqual([[], register('1', 5, 'me')]);
  });

  it('has to follow what was known', () => {
    const registers = new Registers();
    registers.take(stored(['a', register('1', 7)]), [], 7);
    registers.write('a', '2', 'me');
    expect(registers.writes).toMatchObject([{ register: { value: '2', at: 7 } }]);
  });

  it('stays to be written where the beat has failed', () => {
    const registers = new Registers();
    registers.write('a', '1', 'me');
    expect(registers.writes).toEqual(registers.writes);
    registers.take(stored(['a', register('2', 9)]), [], 9);
    expect(registers.writes).toMatchObject([{ name: 'a', isNew: true }]);
    expect(registers.get('a')?.value).toBe('1');
  });

  it('is not lost during a beat', () => {
    const registers = new Registers();
    registers.write('a', '1', 'me');
    const { writes } = registers;
    const answer = dated(registers, 5);
    registers.write('a', '2', 'me');
    expect(registers.take(answer, writes, 5)).toEqual([]);
    expect(registers.get('a')?.value).toBe('2');
    expect(registers.writes).toMatchObject([{ register: { value: '2' }, isNew: true }]);
  });

  it('has to follow what came while it waited', () => {
    const registers = new Registers();
    registers.write('a', '1', 'me');
    registers.take(stored(['a', register('2', 9)]), [], 9);
    expect(registers.writes).toMatchObject([{ register: { value: '1', at: 9 }, isNew: true }]);
  });

  it('gives way to a later one of another member', () => {
    const registers = new Registers();
    registers.write('a', '1', 'me');
    const { writes } = registers;
    expect(registers.take(stored(['a', register('2', 9)]), writes, 9)).toEqual(['a']);
    expect([registers.get('a')?.value, registers.writes]).toEqual(['2', []]);
  });
});

describe('what others have written', () => {
  it('is told each time that it is newer, also where it is the same', () => {
    const registers = new Registers();
    expect(registers.take(stored(['a', register('1', 1)], ['b', register('1', 1)]), [], 1)).toEqual(['a', 'b']);
    expect(registers.take(stored(['a', register('1', 2)], ['b', register('1', 1)]), [], 2)).toEqual(['a']);
    expect(registers.take(stored(['a', register('0', 1)], ['b', register('1', 1)]), [], 2)).toEqual([]);
  });
});

describe('a value that Redis has lost', () => {
  it('is written again with its time, until Redis has it', () => {
    const registers = new Registers();
    const all = stored(['a', register('1', 5)], ['b', register('2', 6)]);
    registers.take(all, [], 6);
    expect(registers.writes).toEqual([]);
    registers.take(stored(['a', register('0', 4)]), [], 7);
    const lost = [['a', register('1', 5)], ['b', register('2', 6)]].map(([name, value]) => ({ name, register: value, isNew: false }));
    expect(registers.writes).toEqual(lost);
    expect(registers.get('a')?.value).toBe('1');
    registers.take(all, registers.writes, 8);
    expect(registers.writes).toEqual([]);
  });

  it('is not written over what the member itself writes', () => {
    const registers = new Registers();
    registers.take(stored(['a', register('1', 5)]), [], 5);
    registers.take(stored(), [], 6);
    registers.write('a', '2', 'me');
    expect(registers.writes).toMatchObject([{ register: { value: '2' }, isNew: true }]);
  });
});

describe('a register that was cleared', () => {
  it('has no value, and is told', () => {
    const registers = new Registers();
    registers.take(stored(['a', register('1', 1)]), [], 1);
    expect(registers.take(stored(['a', register(CLEARED, 2)]), [], 2)).toEqual(['a']);
    expect([registers.get('a'), [...registers.all]]).toEqual([undefined, []]);
  });

  it('is forgotten sooner where it was of a session: there may be thousands', () => {
    const registers = new Registers();
    registers.take(stored(['end x', register(CLEARED, 1)], ['ending', register(CLEARED, 1)]), [], 1);
    registers.take(stored(), [], 1 + BRIEF_LIFE);
    expect(registers.writes).toMatchObject([{ name: 'end x' }, { name: 'ending' }]);
    registers.take(stored(), [], 2 + BRIEF_LIFE);
    expect(registers.writes).toMatchObject([{ name: 'ending' }]);
  });

  it('is written again like any other, and forgotten in the end', () => {
    const registers = new Registers();
    registers.take(stored(['a', register(CLEARED, 1)]), [], 1);
    registers.take(stored(), [], 1 + LIFE);
    expect(registers.writes).toMatchObject([{ name: 'a', register: { value: CLEARED, at: 1 } }]);
    registers.take(stored(), [], 2 + LIFE);
    expect(registers.writes).toEqual([]);
  });

  it('is so by the time of the last reading, so that a later write counts', () => {
    const registers = new Registers();
    registers.take(stored(['a', register('1', 5)], ['b', register('1', 20)]), [], 10);
    for (const name of ['a', 'b', 'unknown']) registers.clear(name, 10, 'me');
    expect(registers.writes).toEqual([
      { name: 'a', register: register(CLEARED, 10, 'me'), isNew: false },
      { name: 'b', register: register(CLEARED, 21, 'me'), isNew: false },
    ]);
    expect(registers.take(stored(['a', register('2', 11)]), registers.writes, 12)).toEqual(['a']);
    expect(registers.get('a')?.value).toBe('2');
  });

  it('is not so where the member has still to write it', () => {
    const registers = new Registers();
    registers.take(stored(['a', register('1', 5)]), [], 5);
    registers.write('a', '2', 'me');
    registers.clear('a', 9, 'me');
    expect(registers.get('a')?.value).toBe('2');
  });
});
