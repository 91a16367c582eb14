/** How many sids a sample has at most. */
export const SAMPLE_SIZE = 1024;

/** The finest level: the number of leading zeros of a hash that is 0. */
const LEVELS = 33;

/**
 * Some of the sids that a process knows, as hashes: those whose hash begins with `level` zeros or more. So all
 * processes choose the same sids, and one can see which of them several know.
 */
export interface SidSample {
  /** 0: all sids are in the sample. */
  readonly level: number;
  /** The hashes of each host's sids, by the host's name. A host without any may be missing. */
  readonly hosts: ReadonlyMap<string, Int32Array>;
}

/** The sids of one host, by the leading zeros of their hashes. */
export class SidHashes {
  readonly #levels: (Set<number> | undefined)[] = [];

  add(sid: string): void {
    const hash = hashOf(sid);
    (this.#levels[Math.clz32(hash)] ??= new Set()).add(hash);
  }

  delete(sid: string): void {
    const hash = hashOf(sid);
    this.#levels[Math.clz32(hash)]?.delete(hash);
  }

  /** How many hashes begin with just so many zeros. */
  count(level: number): number {
    return this.#levels[level]?.size ?? 0;
  }

  /** The hashes that begin with `level` zeros or more. */
  from(level: number): number[] {
    return this.#levels.slice(level).flatMap((hashes) => [...hashes ?? []]);
  }
}

/** The largest sample of at most `SAMPLE_SIZE` sids. */
export function sampleOf(hosts: ReadonlyMap<string, SidHashes>): SidSample {
  let level = LEVELS;
  for (let size = 0; level > 0; level -= 1) {
    for (const hashes of hosts.values()) size += hashes.count(level - 1);
    if (size > SAMPLE_SIZE) break;
  }
  return { level, hosts: new Map(Array.from(hosts, ([name, hashes]) => [name, Int32Array.from(hashes.from(level))])) };
}

/** FNV-1a, then the finalizer of MurmurHash3, since the leading bits of FNV alone are uneven for short texts. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
