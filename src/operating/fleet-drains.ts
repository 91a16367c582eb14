import type { Fleet } from '../fleet/fleet';
import type { MemberRecord } from '../fleet/member';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';

/**
 * Lets a host that the fleet drains count as drained only once no member has anything there, by what each has shown
 * twice in a row: a session may be on its way from one member to another.
 */
export class FleetDrains {
  readonly #fleet: Fleet;
  readonly #hosts: Hosts;
  /** Since when all beats have found a host idle, by Redis's clock; `undefined` while it is not. */
  readonly #idleSince = new Map<Host, number | undefined>();

  constructor(fleet: Fleet, hosts: Hosts) {
    this.#fleet = fleet;
    this.#hosts = hosts;
    const forget = (host: Host): void => void this.#idleSince.delete(host);
    hosts.on('drained', forget).on('undrained', forget).on('removed', forget);
    fleet.on('refused', () => {
      for (const host of this.#idleSince.keys()) this.follow(host);
    });
    fleet.on('beat', () => {
      if (this.#idleSince.size === 0) return;
      const used = this.#usedElsewhere;
      for (const [host, since] of this.#idleSince) this.#look(host, since, used?.has(host.name) === false);
    });
  }

  /** Called when a host begins to drain at all members. */
  follow(host: Host): void {
    this.#idleSince.set(host, undefined);
    host.inUseElsewhere = !this.#isAlone;
    // This proxy may have drained it before, for itself.
    this.#hosts.drainOn(host);
    this.#hosts.settle(host);
  }

  #look(host: Host, since: number | undefined, isIdleElsewhere: boolean): void {
    const isIdle = host.empty && isIdleElsewhere;
    this.#idleSince.set(host, isIdle ? since ?? this.#fleet.now : undefined);
    host.inUseElsewhere = !isIdle || since === undefined || !this.#haveShownSince(since);
    this.#hosts.settle(host);
  }

  /** Redis refuses the fleet, and this proxy knows of no other. */
  get #isAlone(): boolean {
    const { others, lost, isRefused } = this.#fleet;
    return isRefused && lost.length === 0 && others.length === 0;
  }

  /** The hosts on which another member may have something; `undefined` if this one has not shown itself yet. */
  get #usedElsewhere(): ReadonlySet<string> | undefined {
    const { members, lost } = this.#fleet;
    const own = members.find(({ self }) => self)?.record;
    if (!own) return undefined;
    const others = members.flatMap(({ self, record }) => (self ? [] : [record]));
    // The sessions of a member that is gone go on, and come to others while their bindings live.
    return new Set([...others, ...lost].flatMap((record) => usedBy(record, own)));
  }

  /** Whether all members have shown themselves anew. */
  #haveShownSince(time: number): boolean {
    const { members, now = 0 } = this.#fleet;
    return members.every(({ seenAgo }) => now - seenAgo > time);
  }
}

function usedBy({ hosts, spelling, left }: MemberRecord, own: MemberRecord): string[] {
  // A member of another `keyPrefix` does not follow the drain.
  const follows = spelling.keyPrefix === own.spelling.keyPrefix;
  const isWaitedFor = follows && !left;
  return hosts.filter(({ idle, sessions, tunnels, polls }) => !idle && (isWaitedFor || sessions + tunnels + polls > 0))
    .map(({ host }) => host);
}
