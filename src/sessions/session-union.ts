import { SAMPLE_SIZE, type SidSample } from './sid-sample';

/** The sessions that one process knows. */
export interface KnownSessions {
  /** How many sessions it knows of each host, by the host's name. */
  readonly counts: ReadonlyMap<string, number>;
  readonly sample: SidSample;
}

/** How many sids of all hosts count beside a host's own, where the sample has few of it. */
const BORROWED = 16;

/**
 * How many sessions several processes know together, of each host. A session that several know counts once.
 *
 * It is exact while the processes know at most 1,024 sessions each. Else the sample shows how many processes know a
 * session, on the average: the standard error is about 3 % where that differs as much as it can, and 0 where each
 * session is known to one process, or to all.
 */
export function unionOf(processes: readonly KnownSessions[]): ReadonlyMap<string, number> {
  const level = Math.max(0, ...processes.map(({ sample }) => sample.level));
  const names = new Set(processes.flatMap(({ counts }) => [...counts.keys()]));
  const seen = new Map(Array.from(names, (name) => [name, seenOf(name, level, processes)]));
  const all = { sids: 0, copies: 0 };
  for (const { sids, copies } of seen.values()) {
    all.sids += sids;
    all.copies += copies;
  }
  const usual = all.sids > 0 ? all.copies / all.sids : 1;
  const union = new Map<string, number>();
  for (const [name, { sids, copies }] of seen) {
    const counts = processes.map((each) => each.counts.get(name) ?? 0);
    const sum = counts.reduce((total, count) => total + count, 0);
    const ratio = (copies + BORROWED * usual) / (sids + BORROWED);
    const estimate = level === 0 ? sids : Math.round(sum / ratio);
    union.set(name, Math.min(sum, Math.max(estimate, ...counts)));
  }
  return union;
}

/** The sample of all processes together, of at most `SAMPLE_SIZE` sids. */
export function mergedSample(samples: readonly SidSample[]): SidSample {
  let level = Math.max(0, ...samples.map((sample) => sample.level));
  const merged = new Map<string, Set<number>>();
  for (const { hosts } of samples) {
    for (const [name, hashes] of hosts) {
      const all = merged.get(name) ?? new Set();
      merged.set(name, all);
      for (const hash of hashes) if (Math.clz32(hash) >= level) all.add(hash);
    }
  }
  const sizeOf = (): number => Array.from(merged.values()).reduce((sum, { size }) => sum + size, 0);
  for (; sizeOf() > SAMPLE_SIZE; level += 1) {
    for (const hashes of merged.values()) for (const hash of hashes) if (Math.clz32(hash) <= level) hashes.delete(hash);
  }
  return { level, hosts: new Map(Array.from(merged, ([name, hashes]) => [name, Int32Array.from(hashes)])) };
}

/** How many sids of a host the samples have from a level on, and how often in all. */
function seenOf(name: string, level: number, processes: readonly KnownSessions[]): { sids: number; copies: number } {
  const distinct = new Set<number>();
  let copies = 0;
  for (const { sample } of processes) {
    for (const hash of sample.hosts.get(name) ?? []) {
      if (Math.clz32(hash) < level) continue;
      distinct.add(hash);
      copies += 1;
    }
  }
  return { sids: distinct.size, copies };
}
