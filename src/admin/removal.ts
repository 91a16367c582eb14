import type { HostReport, Operator, Scope } from '../operating/operator';
import { Problem } from './problems';

/** @throws Problem if sessions may be cut where a host is removed. */
export function checkUnused(operator: Operator, report: HostReport, scope: Scope): void {
  const reason = scope === 'fleet' && report.fleet ? reasonOf(operator, report, report.fleet) : ownReasonOf(report);
  const remedy = 'drain it first, or cut them with ?force=true';
  if (reason !== undefined) throw new Problem('SESSIONS_LIVE', `${reason}: ${remedy}`);
}

function ownReasonOf({ sessions, tunnels }: Pick<HostReport, 'sessions' | 'tunnels'>): string | undefined {
  return sessions + tunnels > 0 ? 'the host has sessions' : undefined;
}

/** Why sessions may be cut at any member of the fleet. */
function reasonOf(
  operator: Operator, { host, drained }: HostReport, counts: NonNullable<HostReport['fleet']>,
): string | undefined {
  const { reached, refused } = operator.fleet;
  const { using, gone, open } = operator.remainsOf(host);
  if (counts.sessions + counts.tunnels + using.length > 0) return 'the host has sessions';
  if (gone.length > 0) return `the host may have sessions of ${gone.join(', ')}, gone a short time ago`;
  // Where Redis refuses the fleet, this proxy alone removes the host.
  if (drained || refused) return undefined;
  if (!reached) return 'Redis does not answer the fleet, so that other proxies may have sessions there';
  // Nobody opens sessions on a host that is down.
  if (open.length > 0 && counts.up > 0) return `${open.join(', ')} may just have opened sessions there`;
  return undefined;
}
