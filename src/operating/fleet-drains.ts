import type { Fleet } from '../fleet/fleet';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import { FleetRemains, isUsed } from './fleet-remains';
import type { Remains } from './fleet-shown';

/**
 * Lets a host that the fleet drains count as drained only once no member has anything there, by what each has shown
 * twice in a row: a session may be on its way from one member to another. If one shows something there later, the host
 * is no longer drained, until that has ended, too.
 */
export class FleetDrains {
  readonly #fleet: Fleet;
  readonly #hosts: Hosts;
  readonly #remains: FleetRemains;
  /** Since when all beats have found such a host idle, by Redis's clock; `undefined` while it is not. */
  readonly #idleSince = new Map<Host, number | undefined>();

  constructor(fleet: Fleet, hosts: Hosts) {
    this.#fleet = fleet;
    this.#hosts = hosts;
    this.#remains = new FleetRemains(fleet);
    const forget = (host: Host): void => void this.#idleSince.delete(host);
    hosts.on('undrained', forget).on('removed', forget);
    fleet.on('refused', () => {
      for (const host of this.#idleSince.keys()) if (!hosts.isSettled(host)) this.#begin(host);
    });
    fleet.on('beat', () => {
      for (const [host, since] of this.#idleSince) this.#look(host, since);
    });
  }

  /** What other members may have on a host. */
  remainsOf(host: string): Remains {
    return this.#remains.of(host);
  }

  /** Called when a host begins to drain at all members. */
  follow(host: Host): void {
    this.#idleSince.set(host, undefined);
    // This proxy may have drained it before, for itself.
    this.#hosts.drainOn(host);
    this.#begin(host);
  }

  /** Called before a host is removed that another member has removed: that one may have found it drained first. */
  conclude(host: Host): void {
    const isOver = host.empty && this.#remains.isKnown && !isUsed(this.#remains.of(host.name));
    if (isOver && this.#idleSince.has(host)) this.#hosts.conclude(host);
  }

  #begin(host: Host): void {
    host.inUseElsewhere = !this.#isAlone;
    this.#hosts.settle(host);
  }

  #look(host: Host, since: number | undefined): void {
    const remains = this.#remains.of(host.name);
    if (this.#hosts.isSettled(host)) {
      // One that has just come, and has shown nothing there, is about to drain it.
      if (!isUsed(remains)) return;
      this.#hosts.drainOn(host);
    }
    const isIdle = host.empty && this.#remains.isKnown && !isUsed(remains) && remains.open.length === 0;
    const { now = 0 } = this.#fleet;
    // The clock of a new Redis may be behind.
    this.#idleSince.set(host, isIdle ? Math.min(since ?? now, now) : undefined);
    host.inUseElsewhere = !isIdle || since === undefined || !this.#haveShownSince(since);
    this.#hosts.settle(host);
  }

  /** Redis refuses the fleet, and this proxy knows of no other. */
  get #isAlone(): boolean {
    const { others, lost, isRefused } = this.#fleet;
    return isRefused && lost.length === 0 && others.length === 0;
  }

  /** Whether all members have shown themselves anew. */
  #haveShownSince(time: number): boolean {
    const { members, now = 0 } = this.#fleet;
    return members.every(({ seenAgo }) => now - seenAgo > time);
  }
}
