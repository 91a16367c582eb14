import type { Fleet } from '../fleet/fleet';
import type { Member } from '../fleet/members';
import { CLEARED } from '../fleet/registers';
import type { Host } from '../hosts/host';
import type { FleetCounts, FleetReport, FleetSetting, MemberReport } from './fleet-shown';

const SETTINGS = ['listed', 'weight', 'drain'] as const;

/** What all members have of a host, this proxy included, and what was set for it. */
export function fleetCountsOf(host: Host, fleet: Fleet, draining: boolean): FleetCounts {
  const { sessions, tunnels, polls, up, downReason, elsewhere } = host;
  const set = SETTINGS.flatMap((what): FleetSetting[] => {
    const register = fleet.get(`${what} ${host.name}`);
    return register && register.value !== CLEARED ? [{ what, at: dateOf(register.at), by: register.by }] : [];
  });
  return {
    sessions: sessions + elsewhere.sessions,
    tunnels: tunnels + elsewhere.tunnels,
    polls: polls + elsewhere.polls,
    up: elsewhere.up + Number(up),
    down: elsewhere.down + Number(downReason !== undefined),
    draining,
    set,
  };
}

/** What an operator sees of the fleet. */
export function reportOf(fleet: Fleet | undefined): FleetReport {
  if (!fleet) return { enabled: false, revision: undefined, reached: false, refused: false, agree: true, members: [] };
  const members = fleet.members.map(memberOf);
  return {
    enabled: true, revision: timeOf(fleet.revision), reached: fleet.isReached,
    refused: fleet.isRefused, agree: members.every(({ agrees }) => agrees), members,
  };
}

function memberOf({ id, self, record, since, seenAgo, differences }: Member): MemberReport {
  const { version, ready, workers, hosts } = record;
  return {
    id, self, version, since: new Date(since), ready, workers, agrees: differences.length === 0, differences,
    revision: timeOf(record.revision), seenAgo: Math.max(0, Math.round(seenAgo) / 1000),
    sessions: hosts.reduce((sum, { sessions }) => sum + sessions, 0),
    tunnels: hosts.reduce((sum, { tunnels }) => sum + tunnels, 0),
    polls: hosts.reduce((sum, { polls }) => sum + polls, 0),
    handshakesPerSecond: hosts.reduce((sum, { handshakesPerSecond }) => sum + handshakesPerSecond, 0),
  };
}

function dateOf(at: number): Date | undefined {
  return at === 0 ? undefined : new Date(at);
}

/** A revision begins with the time of the change. */
function timeOf(revision: string): number | undefined {
  return Number(revision.split(' ', 1)[0]) || undefined;
}
