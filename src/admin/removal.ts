import type { FleetCounts } from '../operating/fleet-shown';
import type { HostReport, Operator, Scope } from '../operating/operator';
import { Problem } from './problems';

/** @throws Problem if sessions may be cut where a host is removed. */
export function checkUnused(operator: Operator, report: HostReport, scope: Scope): void {
  const { fleet } = report;
  const reason = scope === 'fleet' && fleet ? reasonOf(operator, report, fleet) : ownReasonOf(operator, report);
  const remedy = 'drain it first, or cut them with ?force=true';
  if (reason !== undefined) throw new Problem('SESSIONS_LIVE', `${reason}: ${remedy}`);
}

function ownReasonOf(operator: Operator, { host, sessions, tunnels, fleet }: HostReport): string | undefined {
  if (sessions + tunnels > 0) return 'the host has sessions';
  const { gone } = operator.remainsOf(host);
  // In a fleet these may be other proxies, which do not matter to one that removes the host for itself.
  return !fleet && gone.length > 0 ? goneReasonOf(gone) : undefined;
}

function goneReasonOf(gone: readonly string[]): string {
  return `the host may have sessions of ${gone.join(', ')}, gone a short time ago`;
}

/** Why sessions may be cut at any member of the fleet. */
function reasonOf(
  operator: Operator, { host, state, drained }: HostReport, counts: FleetCounts,
): string | undefined {
  const { reached, refused } = operator.fleet;
  const { using, gone, open } = operator.remainsOf(host);
  if (counts.sessions + counts.tunnels + using.length > 0) return 'the host has sessions';
  if (gone.length > 0) return goneReasonOf(gone);
  // Where Redis refuses the fleet, this proxy alone removes the host.
  if (refused) return undefined;
  if (!reached) return 'Redis does not answer the fleet, so that other proxies may have sessions there';
  if (drained && counts.draining) return undefined;
  // Nobody opens sessions on a host that is down.
  const isUpElsewhere = counts.up > Number(state === 'up');
  if (open.length > 0 && isUpElsewhere) return `${open.join(', ')} may just have opened sessions there`;
  return undefined;
}
