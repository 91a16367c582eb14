import type { Fleet } from '../fleet/fleet';
import type { MemberRecord } from '../fleet/member';
import type { Member } from '../fleet/members';
import type { Hosts } from '../hosts/hosts';

/** In how many beats in a row a member has to be a stranger to be told of: one that has just come may still follow. */
const BEATS = 4;

/** Thrown where a change would concern a stranger. */
export class StrangersError extends Error {}

/**
 * Tells members apart that share this one's keys in Redis by mistake: they serve another application, have none of its
 * hosts, and must not get any.
 */
export class FleetStrangers {
  readonly #fleet: Fleet;
  readonly #hosts: Hosts;
  /** The hosts of this proxy's own configuration. */
  readonly #configured: readonly string[];
  /** In how many beats in a row each was one. */
  readonly #beats = new Map<string, number>();

  /** @param warn told of a stranger. */
  constructor(fleet: Fleet, hosts: Hosts, warn: (text: string) => void) {
    this.#fleet = fleet;
    this.#hosts = hosts;
    this.#configured = hosts.all.map(({ name }) => name);
    fleet.on('beat', () => this.#watch(warn));
  }

  /** The other members that share this one's state, and are no strangers. */
  get others(): readonly Member[] {
    const mates = this.#mates;
    const strangers = this.#among(mates, []);
    return mates.filter((member) => !strangers.includes(member));
  }

  /** @throws StrangersError if a stranger would get hosts that are to be added, and has none of them yet. */
  check(added: readonly string[]): void {
    const [stranger] = this.#among(this.#mates, added);
    if (stranger) throw new StrangersError(`${sentenceOf(stranger)}. It would get these hosts, too`);
  }

  /** Whether a member is one. */
  isOne(id: string): boolean {
    return this.#among(this.#mates, []).some((member) => member.id === id);
  }

  /** Whether a host was added by strangers. A proxy that is still to discover its hosts has none in common yet. */
  haveAlone(host: string): boolean {
    // What was set for a host of this proxy was set for this fleet.
    if (this.#configured.some((name) => this.#fleet.get(`listed ${name}`))) return false;
    const mates = this.#mates;
    const having = mates.filter(({ record }) => record.hosts.some((shown) => shown.host === host));
    const strangers = this.#among(mates, []);
    return having.length > 0 && having.every((member) => strangers.includes(member));
  }

  /** The other members that share this one's state. */
  get #mates(): readonly Member[] {
    return this.#fleet.others.filter(({ differences }) => !differences.includes('keyPrefix'));
  }

  /** Those of some members that have no host in common with this one, nor with another one that has. */
  #among(members: readonly Member[], more: readonly string[]): readonly Member[] {
    const ours = new Set([...this.#configured, ...this.#hosts.all.map(({ name }) => name), ...more]);
    // Nobody can tell whose a member is that has no host, unless it is to discover them by the same name.
    if (ours.size === 0 && !this.#hosts.awaitsDiscovery) return [];
    const digest = this.#fleet.members.find(({ self }) => self)?.record.spelling.hosts;
    for (const { record } of members.filter(({ record: { spelling } }) => spelling.hosts === digest)) {
      for (const name of namesOf(record)) ours.add(name);
    }
    let strangers = members.filter(({ record }) => namesOf(record).length > 0);
    for (;;) {
      const related = strangers.filter(({ record }) => namesOf(record).some((name) => ours.has(name)));
      if (related.length === 0) return strangers;
      for (const { record } of related) for (const name of namesOf(record)) ours.add(name);
      strangers = strangers.filter((member) => !related.includes(member));
    }
  }

  #watch(warn: (text: string) => void): void {
    const strangers = this.#among(this.#mates, []);
    for (const id of this.#beats.keys()) if (!strangers.some((member) => member.id === id)) this.#beats.delete(id);
    for (const member of strangers) {
      const beats = (this.#beats.get(member.id) ?? 0) + 1;
      this.#beats.set(member.id, beats);
      if (beats === BEATS) warn(sentenceOf(member));
    }
  }
}

/** All hosts that a member is known to have to do with. */
function namesOf({ hosts, without }: MemberRecord): readonly string[] {
  return [...hosts.map(({ host }) => host), ...without];
}

function sentenceOf({ id }: Member): string {
  return `proxy ${id} has none of these hosts, but the same keyPrefix. ` +
    'Does it serve another application? Then give that another keyPrefix, or another database of Redis';
}
