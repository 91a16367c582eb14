import type { Fleet } from '../fleet/fleet';
import type { Hosts } from '../hosts/hosts';

/** After what time the state of a host is cleared that no member has, in ms. */
const FADE_TIME = 600_000;

/** The registers of a host. */
const NAME = /^(?:listed|weight|drain) /;

/** Lets the fleet forget what it has of hosts that no member has any more. */
export function forgetHosts(fleet: Fleet, hosts: Hosts): void {
  const forgets = new FleetForgets(fleet);
  hosts.on('removed', ({ name }) => forgets.dropped(name));
  hosts.on('added', ({ name }) => forgets.taken(name));
  fleet.on('beat', () => forgets.look());
}

class FleetForgets {
  readonly #fleet: Fleet;
  /** Since when no member has a host, by `performance.now()`. */
  #unknown: ReadonlyMap<string, number> = new Map<string, number>();
  /** The hosts that were removed here, and the members that have each, or had it when they were gone. */
  readonly #dropped = new Map<string, ReadonlySet<string>>();

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  dropped(host: string): void {
    this.#dropped.set(host, new Set(this.#havingOf(host)));
  }

  taken(host: string): void {
    this.#dropped.delete(host);
  }

  look(): void {
    for (const [host, before] of this.#dropped) this.#lookAt(host, before);
    const [now, unknown] = [performance.now(), new Map<string, number>()];
    const used = this.#used;
    for (const name of this.#fleet.registers.keys()) {
      const host = name.slice(name.indexOf(' ') + 1);
      if (!NAME.test(name) || used.has(host)) continue;
      const since = this.#unknown.get(host) ?? now;
      unknown.set(host, since);
      if (now - since > FADE_TIME) this.#fleet.clear(name);
    }
    this.#unknown = unknown;
  }

  /**
   * Lets a host that all have dropped come back as a new one. Who was gone with it has not dropped it: a proxy that
   * restarts has it again.
   */
  #lookAt(host: string, before: ReadonlySet<string>): void {
    const living = new Set(this.#fleet.others.map(({ id }) => id));
    const having = this.#havingOf(host);
    const gone = [...before].filter((id) => !living.has(id));
    if (having.length > 0) {
      this.#dropped.set(host, new Set([...having, ...gone]));
      return;
    }
    this.#dropped.delete(host);
    if (gone.length > 0) return;
    for (const kind of ['weight', 'drain']) this.#fleet.clear(`${kind} ${host}`);
  }

  /** The other members that have a host. */
  #havingOf(name: string): string[] {
    const having = this.#fleet.others.filter(({ record }) => record.hosts.some(({ host }) => host === name));
    return having.map(({ id }) => id);
  }

  /** The hosts that members have, or would have if the fleet had not removed them. */
  get #used(): ReadonlySet<string> {
    const { members } = this.#fleet;
    return new Set(members.flatMap(({ record: { hosts, without } }) => [...hosts.map(({ host }) => host), ...without]));
  }
}
