import type { Fleet } from '../fleet/fleet';
import type { HostShown, MemberRecord } from '../fleet/member';
import type { Member } from '../fleet/members';
import type { Elsewhere } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import { unionOf, type KnownSessions } from '../sessions/session-union';

/** Tells a proxy's hosts what the other members have there, with each beat. */
export function followCounts(fleet: Fleet, hosts: Hosts): void {
  fleet.on('beat', () => {
    const { members, others, lost } = fleet;
    const union = unionOf(members.map(({ record }) => knownOf(record)));
    // By name, since there may be many members with many hosts, and this is done with each beat.
    const [here, elsewhere, gone] = [members.filter(({ self }) => self), others, lost].map(byName);
    for (const host of hosts.all) {
      const [own] = here?.get(host.name) ?? [];
      const known = (union.get(host.name) ?? 0) - (own?.sessions ?? 0);
      const shown = elsewhere?.get(host.name) ?? [];
      host.elsewhere = elsewhereOf(shown, known);
      // Whoever finds a binding in the store does not see how long the one who bound it lets it live.
      const lives = [...shown, ...gone?.get(host.name) ?? []].map(({ life }) => life / 1000);
      host.bindingLife = Math.max(host.bindingLife, ...lives);
    }
    hosts.shared = others.length > 0;
  });
}

/** What members show of each host. */
function byName(members: readonly Pick<Member, 'record'>[]): ReadonlyMap<string, readonly HostShown[]> {
  const shown = new Map<string, HostShown[]>();
  for (const host of members.flatMap(({ record }) => record.hosts)) {
    const all = shown.get(host.host);
    if (all) all.push(host);
    else shown.set(host.host, [host]);
  }
  return shown;
}

function knownOf({ hosts, level }: MemberRecord): KnownSessions {
  return {
    counts: new Map(hosts.map(({ host, sessions }) => [host, sessions])),
    sample: { level, hosts: new Map(hosts.map(({ host, sids }) => [host, sids])) },
  };
}

function elsewhereOf(shown: readonly HostShown[], sessions: number): Elsewhere {
  const sum = (count: (host: HostShown) => number): number => shown.reduce((total, each) => total + count(each), 0);
  return {
    sessions: Math.max(0, sessions),
    known: sum((host) => host.sessions),
    tunnels: sum(({ tunnels }) => tunnels),
    polls: sum(({ polls }) => polls),
    up: sum(({ state }) => Number(state === 'up')),
    down: sum(({ state }) => Number(state === 'down')),
  };
}
