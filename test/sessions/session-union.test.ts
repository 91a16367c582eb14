import { mergedSample, unionOf, type KnownSessions } from '../../src/sessions/session-union';
import { SAMPLE_SIZE, sampleOf, SidHashes, type SidSample } from '../../src/sessions/sid-sample';
import { Random } from '../support/random';

/** What a process knows that has these sids, by host. */
function knownOf(hosts: Record<string, readonly string[]>): KnownSessions {
  const hashes = Object.entries(hosts).map(([name, sids]): [string, SidHashes] => {
    const all = new SidHashes();
    for (const sid of sids) all.add(sid);
    return [name, all];
  });
  const counts = Object.entries(hosts).map(([name, sids]): [string, number] => [name, sids.length]);
  return { counts: new Map(counts), sample: sampleOf(new Map(hashes)) };
}

const sidsOf = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `sid-${from + i}`);
const sizeOf = ({ hosts }: SidSample): number => Array.from(hosts.values()).reduce((sum, { length }) => sum + length, 0);

describe('the sessions that several processes know', () => {
  it('count once, exactly while they are few', () => {
    const union = unionOf([
      knownOf({ a: sidsOf(10), b: [] }), knownOf({ a: sidsOf(10, 5), b: sidsOf(3) }), knownOf({ a: sidsOf(7, 8) }), knownOf({ c: ['x'] }),
    ]);
    expect(Object.fromEntries(union)).toEqual({ a: 15, b: 3, c: 1 });
  });

  it('are none where there is no process', () => {
    expect(unionOf([])).toEqual(new Map());
  });

  it.each([1, 2, 3])('count exactly, though they are many, where each process knows them all, or none of the others do: %d', (hosts) => {
    const own = (from: number): Record<string, string[]> =>
      Object.fromEntries(Array.from({ length: hosts }, (_, i) => [`h${i}`, sidsOf(5000, from + 10_000 * i)]));
    for (const [processes, each] of [[[own(0), own(0), own(0)], 5000], [[own(0), own(100_000)], 10_000]] as const) {
      expect([...unionOf(processes.map(knownOf)).values()]).toEqual(Array(hosts).fill(each));
    }
  });

  it('count about right where some go through several', () => {
    const random = new Random(1);
    let [worst, sum] = [0, 0];
    const ROUNDS = 40;
    for (let round = 0; round < ROUNDS; round += 1) {
      const processes: Record<string, string[]>[] = Array.from({ length: 5 }, () => ({ a: [], b: [] }));
      for (const name of ['a', 'b']) {
        for (const sid of sidsOf(2000, round * 10_000)) {
          // Half of them poll through any proxy, and the others have a WebSocket.
          const known = random.chance(0.5) ? processes : [processes[random.below(5)]];
          for (const each of known) each?.[name]?.push(`${name}${sid}`);
        }
      }
      for (const count of unionOf(processes.map(knownOf)).values()) {
        worst = Math.max(worst, Math.abs(count / 2000 - 1));
        sum += (count / 2000 - 1) ** 2;
      }
    }
    // Both bounds are far from what other seeds give: 0.026 and 0.09.
    expect(Math.sqrt(sum / (2 * ROUNDS))).toBeLessThan(0.04);
    expect(worst).toBeLessThan(0.15);
  });

  it('are at least those of each process, and at most those of all', () => {
    const lying: KnownSessions = { counts: new Map([['a', 50]]), sample: { level: 0, hosts: new Map() } };
    expect(unionOf([lying, knownOf({ a: sidsOf(3) })]).get('a')).toBe(50);
    const other: KnownSessions = { counts: new Map([['a', 1]]), sample: knownOf({ a: sidsOf(9) }).sample };
    expect(unionOf([other]).get('a')).toBe(1);
  });
});

describe('a sample', () => {
  it('has all sids while they are few, and then some of each host', () => {
    expect(knownOf({ a: sidsOf(SAMPLE_SIZE) }).sample.level).toBe(0);
    const { sample } = knownOf({ a: sidsOf(30_000), b: sidsOf(30_000, 50_000), c: [] });
    expect(sizeOf(sample)).toBeLessThanOrEqual(SAMPLE_SIZE);
    expect(sizeOf(sample)).toBeGreaterThan(SAMPLE_SIZE / 3);
    const [a = 0, b = 0] = ['a', 'b'].map((name) => sample.hosts.get(name)?.length);
    expect(a / (a + b)).toBeCloseTo(0.5, 1);
    for (const hash of sample.hosts.get('a') ?? []) expect(Math.clz32(hash)).toBeGreaterThanOrEqual(sample.level);
  });

  it('forgets sids that are over', () => {
    const hashes = new SidHashes();
    for (const sid of sidsOf(5000)) hashes.add(sid);
    for (const sid of sidsOf(4998)) hashes.delete(sid);
    const sample = sampleOf(new Map([['a', hashes]]));
    expect(sample).toEqual(knownOf({ a: sidsOf(2, 4998) }).sample);
  });

  it('of several processes is that of one that knows all of it', () => {
    const [one, other] = [{ a: sidsOf(3000), b: sidsOf(10) }, { a: sidsOf(3000, 2000), c: sidsOf(20) }];
    const merged = mergedSample([knownOf(one).sample, knownOf(other).sample]);
    const all = knownOf({ a: sidsOf(5000), b: sidsOf(10), c: sidsOf(20) }).sample;
    const sorted = ({ level, hosts }: SidSample): unknown => [level, Array.from(hosts, ([name, sids]) => [name, [...sids].sort()])];
    expect(sorted(merged)).toEqual(sorted(all));
    expect(mergedSample([])).toEqual({ level: 0, hosts: new Map() });
  });
});
