import type { Fleet } from '../fleet/fleet';
import type { MemberRecord } from '../fleet/member';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';

/** How many beats in a row have to find a host idle. A session may be on its way from one member to another. */
const BEATS = 2;

/** Lets a host that the fleet drains count as drained only once no member has anything there. */
export class FleetDrains {
  readonly #fleet: Fleet;
  readonly #hosts: Hosts;
  /** How many beats in a row have found a host idle. */
  readonly #idle = new Map<Host, number>();

  constructor(fleet: Fleet, hosts: Hosts) {
    this.#fleet = fleet;
    this.#hosts = hosts;
    const forget = (host: Host): void => void this.#idle.delete(host);
    hosts.on('drained', forget).on('undrained', forget).on('removed', forget);
    fleet.on('beat', () => {
      for (const [host, beats] of this.#idle) this.#look(host, beats);
    });
  }

  /** Called when a host begins to drain at all members. */
  follow(host: Host): void {
    host.inUseElsewhere = true;
    this.#idle.set(host, 0);
  }

  #look(host: Host, before: number): void {
    const beats = host.empty && this.#isIdleElsewhere(host) ? before + 1 : 0;
    this.#idle.set(host, beats);
    host.inUseElsewhere = beats < BEATS;
    this.#hosts.settle(host);
  }

  #isIdleElsewhere({ name }: Host): boolean {
    const { members, lost } = this.#fleet;
    const own = members.find(({ self }) => self)?.record;
    const others = members.flatMap(({ self, record }) => (self ? [] : [record]));
    // The sessions of a member that has vanished go on, and come to others while their bindings live.
    return own !== undefined && [...others, ...lost].every((record) => isIdle(record, own, name));
  }
}

function isIdle({ hosts, spelling }: MemberRecord, own: MemberRecord, name: string): boolean {
  const shown = hosts.find(({ host }) => host === name);
  if (!shown || shown.idle) return true;
  // A member of another `keyPrefix` does not follow the drain.
  return spelling.keyPrefix !== own.spelling.keyPrefix && shown.sessions + shown.tunnels + shown.polls === 0;
}
