import type { Fleet } from '../fleet/fleet';
import type { HostShown, MemberRecord } from '../fleet/member';
import type { Elsewhere } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import { unionOf, type KnownSessions } from '../sessions/session-union';

/** Tells a proxy's hosts what the other members have there, with each beat. */
export function followCounts(fleet: Fleet, hosts: Hosts): void {
  fleet.on('beat', () => {
    const { members } = fleet;
    const union = unionOf(members.map(({ record }) => knownOf(record)));
    const own = members.find(({ self }) => self)?.record.hosts ?? [];
    const others = members.flatMap(({ self, record }) => (self ? [] : [record]));
    for (const host of hosts.all) {
      const shown = others.flatMap((record) => record.hosts.filter((each) => each.host === host.name));
      const here = own.find((each) => each.host === host.name)?.sessions ?? 0;
      host.elsewhere = elsewhereOf(shown, (union.get(host.name) ?? 0) - here);
    }
    hosts.shared = others.length > 0;
  });
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
