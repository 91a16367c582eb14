import type { Fleet } from '../fleet/fleet';
import type { HostShown, MemberRecord } from '../fleet/member';
import type { Remains } from './fleet-shown';

export const NO_REMAINS: Remains = { using: [], open: [], gone: [] };

/** Whether sessions may be cut where the host is removed. */
export function isUsed({ using, gone }: Remains): boolean {
  return using.length + gone.length > 0;
}

/** Tells of each host what other members may have there: for drains, for rollouts and before a host is removed. */
export class FleetRemains {
  readonly #fleet: Fleet;
  #isKnown = false;
  #byHost: ReadonlyMap<string, Remains> = new Map<string, Remains>();

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
    // Once a beat, since there may be many members with many hosts.
    fleet.on('beat', () => this.#read());
  }

  /** Whether all was read that members show, this one's own record included. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  of(host: string): Remains {
    return this.#byHost.get(host) ?? NO_REMAINS;
  }

  #read(): void {
    const { members, lost } = this.#fleet;
    const own = members.find(({ self }) => self)?.record;
    this.#isKnown = own !== undefined;
    if (!own) return;
    const all = new Map<string, Record<keyof Remains, string[]>>();
    const add = (id: string, record: MemberRecord, isGone: boolean): void => {
      // A member of another `keyPrefix` does not follow the drain.
      const follows = record.spelling.keyPrefix === own.spelling.keyPrefix;
      for (const shown of record.hosts) {
        const kind = isGone ? goneOf(shown, follows && !record.left) : livingOf(shown, follows);
        if (!kind) continue;
        const remains = all.get(shown.host) ?? { using: [], open: [], gone: [] };
        all.set(shown.host, remains);
        remains[kind].push(id);
      }
    };
    for (const { self, id, record } of members) if (!self) add(id, record, false);
    for (const { id, record } of lost) add(id, record, true);
    this.#byHost = all;
  }
}

function livingOf(shown: HostShown, follows: boolean): keyof Remains | undefined {
  if (hasAny(shown)) return 'using';
  return follows && !shown.idle ? 'open' : undefined;
}

/** @param mayHaveMore it may have got sessions after it showed itself last. */
function goneOf(shown: HostShown, mayHaveMore: boolean): keyof Remains | undefined {
  return hasAny(shown) || (mayHaveMore && !shown.idle) ? 'gone' : undefined;
}

function hasAny({ sessions, tunnels, polls }: HostShown): boolean {
  return sessions + tunnels + polls > 0;
}
