import type { FleetCounts } from '../operating/fleet-shown';
import type { HostReport, Operator, Scope } from '../operating/operator';
import { Problem } from './problems';

const WORKERS = 'a worker may just have opened sessions there';

/**
 * @param isKnown what other members have was just read.
 * @throws Problem if sessions may be cut where a host is removed.
 */
export function checkUnused(operator: Operator, report: HostReport, scope: Scope, isKnown: boolean): void {
  const { fleet } = report;
  const isShared = scope === 'fleet' && fleet;
  const reason = isShared ? reasonOf(operator, report, fleet, isKnown) : ownReasonOf(operator, report);
  const remedy = 'drain it first, or cut them with ?force=true';
  if (reason !== undefined) throw new Problem('SESSIONS_LIVE', `${reason}: ${remedy}`);
}

function ownReasonOf(operator: Operator, report: HostReport): string | undefined {
  const { host, sessions, tunnels, fleet } = report;
  if (sessions + tunnels > 0) return 'the host has sessions';
  if (isOpenAtWorkers(operator, report)) return WORKERS;
  const { gone } = operator.remainsOf(host);
  // In a fleet these may be other proxies, which do not matter to one that removes the host for itself.
  return !fleet && gone.length > 0 ? goneReasonOf(gone) : undefined;
}

/** Workers tell of their sessions a moment later. */
function isOpenAtWorkers({ summary: { workers } }: Operator, { state, draining }: HostReport): boolean {
  return workers > 1 && state === 'up' && !draining;
}

function goneReasonOf(gone: readonly string[]): string {
  return `the host may have sessions of ${gone.join(', ')}, gone a short time ago`;
}

/** Why sessions may be cut at any member of the fleet. */
function reasonOf(
  operator: Operator, report: HostReport, counts: FleetCounts, isKnown: boolean,
): string | undefined {
  const { host, state, drained } = report;
  const { refused } = operator.fleet;
  const { using, gone, open } = operator.remainsOf(host);
  if (counts.sessions + counts.tunnels + using.length > 0) return 'the host has sessions';
  if (gone.length > 0) return goneReasonOf(gone);
  if (isOpenAtWorkers(operator, report)) return WORKERS;
  // Where Redis refuses the fleet, this proxy alone removes the host.
  if (refused) return undefined;
  if (!isKnown) return 'Redis does not answer the fleet, so that other proxies may have sessions there';
  if (drained && counts.draining) return undefined;
  // Nobody opens sessions on a host that is down.
  const isUpElsewhere = counts.up > Number(state === 'up');
  if (open.length > 0 && isUpElsewhere) return `${open.join(', ')} may just have opened sessions there`;
  return undefined;
}
