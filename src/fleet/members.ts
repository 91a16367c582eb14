import type { Reading } from './fleet-store';
import { recordOf, type MemberRecord, type Spelling } from './member';

/** After how many of its intervals without a beat a member is gone. */
const MISSED = 3;

/**
 * For how many intervals a member has other hosts before that is a difference: what is set for all reaches one member
 * later than another.
 */
const DIFFERING = 3;

/** An id can be shown anywhere as it is. */
const ID = /^[\x21-\x7e]{1,64}$/;

/** A member that lives. */
export interface Member {
  readonly id: string;
  /** This member itself. */
  readonly self: boolean;
  readonly record: MemberRecord;
  /** Since when it runs, by Redis's clock, in ms since the epoch. */
  readonly since: number;
  /** How long ago it showed itself, in ms. */
  readonly seenAgo: number;
  /** What it spells otherwise than this member: sessions of one may be unknown to the other. */
  readonly differences: readonly (keyof Spelling)[];
}

interface Known {
  readonly record: MemberRecord;
  /** When it last showed itself, by Redis's clock. */
  readonly at: number;
  /** When that was seen here, by our clock. Put forward by times in which nothing could be read. */
  readonly seenAt: number;
}

/** A member that is gone, while sessions may go on that it knew. */
export interface Lost {
  readonly id: string;
  /** What it showed last. */
  readonly record: MemberRecord;
}

/** Who has come and gone since the last reading. */
export interface Comings {
  readonly came: readonly string[];
  readonly went: readonly string[];
  /** Those who have begun to disagree. */
  readonly other: readonly string[];
}

/** The members that live, as one of them sees them. */
export class Members {
  readonly #self: string;
  readonly #known = new Map<string, Known>();
  /** Members whose hosts differ: in what, and since when, by our clock. */
  readonly #differing = new Map<string, { readonly digests: string; readonly since: number }>();
  readonly #disagreeing = new Set<string>();
  /** When those who fell silent last showed themselves. By the clock of another Redis that may still be to come. */
  readonly #silent = new Map<string, number>();
  /** Those who have left, or vanished without a word, and when they last showed themselves: by our clock. */
  readonly #lost = new Map<string, { readonly record: MemberRecord; readonly at: number }>();
  readonly #life: number;
  #readAt: number | undefined;

  /**
   * @param self the id of the one that looks.
   * @param life how long a session lives on that only a vanished member knew, in ms, unless that says a longer time.
   */
  constructor(self: string, life: number) {
    this.#self = self;
    this.#life = life;
  }

  /** Members that are gone, while sessions may go on that they knew. */
  get lost(): readonly Lost[] {
    return Array.from(this.#lost, ([id, { record }]) => ({ id, record }));
  }

  /** How many others share the rate of handshakes with this one, whatever Redis may have lost. */
  get sharers(): number {
    const own = this.#known.get(this.#self)?.record.spelling.keyPrefix;
    const others = Array.from(this.#known).filter(([id]) => id !== this.#self);
    return others.filter(([, { record }]) => record.sharing && record.spelling.keyPrefix === own).length;
  }

  /** All of them at a time by Redis's clock. */
  at(now: number): readonly Member[] {
    const all = Array.from(this.#known, ([id, { record, at }]): Member => {
      const [since, seenAgo] = [at - record.age, Math.max(0, now - at)];
      return { id, self: id === this.#self, record, since, seenAgo, differences: this.differencesOf(id) };
    });
    return all.sort((a, b) => Number(b.self) - Number(a.self) || a.since - b.since || (a.id < b.id ? -1 : 1));
  }

  /** What a member spells otherwise than this one. */
  differencesOf(id: string): readonly (keyof Spelling)[] {
    const [own, record] = [this.#known.get(this.#self)?.record, this.#known.get(id)?.record];
    if (!own || !record) return [];
    const isOther = (name: keyof Spelling): boolean => own.spelling[name] !== record.spelling[name];
    const isLasting = this.#isLasting(id, this.#readAt ?? 0);
    return (['hosts', 'path', 'keyPrefix'] as const).filter((name) => isOther(name) && (name !== 'hosts' || isLasting));
  }

  /** @param time our clock, in ms. */
  take({ members, now, isNew = false }: Reading, time: number): Comings {
    const gap = this.#readAt === undefined ? 0 : time - this.#readAt;
    this.#readAt = time;
    const [came, went]: [string[], string[]] = [[], []];
    const own = recordOf(members.get(this.#self)?.record ?? '');
    for (const [id, { at, record: text }] of members) {
      const known = this.#known.get(id);
      if (known?.at === at || this.#silent.get(id) === at || !ID.test(id)) continue;
      const record = recordOf(text);
      if (!record || !this.#isOurs(record, own)) continue;
      if (!record.left && (known || now - at <= MISSED * record.interval)) {
        this.#known.set(id, { record, at, seenAt: time });
      } else {
        // It has left, or ended before anybody looked. Its sessions by polling come to others with their next polls.
        this.#known.delete(id);
        this.#lose(id, record, at, time - (now - at));
      }
      if (!known && id !== this.#self && this.#known.has(id)) came.push(id);
      if (known && record.left) went.push(id);
    }
    for (const [id, { record, at, seenAt }] of this.#known) {
      if (seenAt === time) continue;
      // While nothing could be read here, the others may have been as unable to write. What Redis has lost with this
      // member's record may be what they had written meanwhile.
      if (isNew || gap > 2 * Math.max(record.interval, own?.interval ?? 0)) {
        this.#known.set(id, { record, at, seenAt: time });
      } else if (time - seenAt > MISSED * record.interval) {
        this.#known.delete(id);
        this.#lose(id, record, at, seenAt);
        went.push(id);
      }
    }
    for (const id of this.#silent.keys()) if (!members.has(id) || this.#known.has(id)) this.#silent.delete(id);
    this.#forgetLost(time);
    this.#findDiffering(time, gap);
    return { came, went, other: this.#findDisagreeing() };
  }

  /** @param seenAt when it last showed itself, by our clock. */
  #lose(id: string, record: MemberRecord, at: number, seenAt: number): void {
    this.#silent.set(id, at);
    this.#lost.set(id, { record, at: seenAt });
  }

  /** Forgets members that are back, and what members had whose sessions are over. */
  #forgetLost(time: number): void {
    for (const [id, { record, at }] of this.#lost) {
      const hosts = record.hosts.filter(({ life }) => time - at <= Math.max(this.#life, life));
      if (this.#known.has(id) || hosts.length === 0) this.#lost.delete(id);
      else if (hosts.length < record.hosts.length) this.#lost.set(id, { record: { ...record, hosts }, at });
    }
  }

  /** Whether a member had other hosts for so long by then that this is a difference. */
  #isLasting(id: string, time: number): boolean {
    const intervals = [this.#self, id].map((one) => this.#known.get(one)?.record.interval ?? 0);
    return time - (this.#differing.get(id)?.since ?? Infinity) >= DIFFERING * Math.max(...intervals);
  }

  #findDiffering(time: number, gap: number): void {
    const self = this.#known.get(this.#self)?.record;
    const own = self?.spelling.hosts;
    // While nothing could be read, nobody could come to the same.
    const paused = gap > 2 * (self?.interval ?? 0) ? gap : 0;
    for (const [id, { digests, since }] of paused > 0 ? this.#differing : []) {
      if (!this.#isLasting(id, time - gap)) this.#differing.set(id, { digests, since: since + gap });
    }
    for (const [id, { record: { spelling: { hosts } } }] of this.#known) {
      const digests = `${own ?? hosts} ${hosts}`;
      if (hosts === (own ?? hosts)) this.#differing.delete(id);
      else if (this.#differing.get(id)?.digests !== digests) this.#differing.set(id, { digests, since: time });
    }
    for (const id of this.#differing.keys()) if (!this.#known.has(id)) this.#differing.delete(id);
  }

  #findDisagreeing(): string[] {
    const found: string[] = [];
    for (const id of this.#known.keys()) {
      if (this.differencesOf(id).length === 0) this.#disagreeing.delete(id);
      else if (!this.#disagreeing.has(id)) found.push(id);
    }
    for (const id of found) this.#disagreeing.add(id);
    for (const id of this.#disagreeing) if (!this.#known.has(id)) this.#disagreeing.delete(id);
    return found;
  }

  /** Whether a record may be of this fleet: others may use the same Redis for other hosts, by another `keyPrefix`. */
  #isOurs(record: MemberRecord, own: MemberRecord | undefined): boolean {
    if (!own || record.spelling.keyPrefix === own.spelling.keyPrefix) return true;
    const names = new Set(own.hosts.map(({ host }) => host));
    return record.hosts.some(({ host }) => names.has(host));
  }
}
