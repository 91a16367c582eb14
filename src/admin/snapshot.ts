import { countOf } from '../base/histogram';
import type { FleetReport, MemberReport } from '../operating/fleet-shown';
import type { HostReport, Operator, Readiness, RolloutStatus, Summary } from '../operating/operator';
import { createHostTotals, type HostTotals, type Totals } from '../base/totals';
import { version } from '../base/version';

/** The hosts, a summary, the fleet and the rollout, as JSON for the dashboard. */
export interface Snapshot {
  readonly hosts: readonly Readonly<Record<string, unknown>>[];
  readonly summary: Readonly<Record<string, unknown>>;
  readonly fleet: Readonly<Record<string, unknown>>;
  /** `null`: there is none. */
  readonly rollout: RolloutStatus | null;
}

/** @param previous the totals of an earlier snapshot: the latency then covers only the time since. */
export function snapshotOf(operator: Operator, totals: Totals, previous?: Totals): Snapshot {
  return {
    hosts: operator.hosts.map((report) => hostJson(report, totals.hosts[report.host], previous?.hosts[report.host])),
    summary: summaryOf(operator.summary, totals),
    fleet: fleetJson(operator.fleet),
    rollout: operator.rollout ?? null,
  };
}

/** The fleet, as JSON. Without one there are no members. */
export function fleetJson({ revision, members, ...rest }: FleetReport): Snapshot['fleet'] {
  return { ...rest, revision: revision ?? null, members: members.map(memberJson) };
}

/** A host, as JSON. `state` is its flag of draining, `health` is `HostStatus.state`. */
export function hostJson(
  report: HostReport, totals: HostTotals = createHostTotals(), previous?: HostTotals,
): Readonly<Record<string, unknown>> {
  const { host, state, downReason = null, downText = null, draining, weight } = report;
  const { sessions, tunnels, requests, polls, drain, drained, fleet = null, remains = null } = report;
  const { responses, handshakes, upgrades, moved, sentBytes, receivedBytes } = totals;
  return {
    host,
    state: draining ? 'draining' : 'active',
    health: state,
    downReason,
    downText,
    weight,
    sessions,
    tunnels,
    requests,
    polls,
    drain: drain ? { movesIn: drain.movesIn ?? null, movesPerSecond: drain.movesPerSecond } : null,
    drained,
    fleet: fleet && { ...fleet, set: fleet.set.map(({ at, ...rest }) => ({ ...rest, at: at?.toISOString() ?? null })) },
    remains,
    totals: {
      requests: sumOf(responses), handshakes: sumOf(handshakes), upgrades, moved, sentBytes, receivedBytes,
    },
    latency: meanOf(totals, previous),
  };
}

export function readinessOf(readiness: Readiness): { readonly ready: boolean; readonly reason: string | null } {
  return { ready: readiness.ready, reason: readiness.ready ? null : readiness.reason };
}

function memberJson({ since, revision, ...rest }: MemberReport): Readonly<Record<string, unknown>> {
  return { ...rest, since: since.toISOString(), revision: revision ?? null };
}

function summaryOf(
  { since, workers, storeFails, readiness, rebalance }: Summary, { queued, refusals }: Totals,
): Snapshot['summary'] {
  return {
    version,
    uptime: Math.max(0, (Date.now() - since) / 1000),
    workers,
    store: storeFails ? 'failing' : 'ok',
    ready: readinessOf(readiness),
    queued,
    refused: sumOf(refusals),
    rebalance,
  };
}

function meanOf({ latency }: HostTotals, previous: HostTotals | undefined): number | null {
  const count = countOf(latency) - (previous ? countOf(previous.latency) : 0);
  // The host was removed and added again meanwhile.
  if (count < 0) return null;
  return count === 0 ? null : Math.max(0, latency.sum - (previous?.latency.sum ?? 0)) / count;
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
