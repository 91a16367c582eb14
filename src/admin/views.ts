import type { Absence } from '../errors';
import { countOf, type HistogramTotals } from '../histogram';
import type { Change, HostReport, Operator, Readiness, SessionReport } from '../operator';
import { createHostTotals, type HostTotals, type Totals } from '../totals';
import { version } from '../version';

/** The hosts and the proxy as a whole, as JSON. `before`: what had been counted at the last snapshot. */
export async function hostsView(operator: Operator, before?: Totals): Promise<{ view: object; totals: Totals }> {
  const totals = await operator.totals();
  const view = {
    hosts: operator.hosts.map((host) => hostView(host, totals.hosts[host.host], before?.hosts[host.host])),
    summary: summaryView(operator, totals),
  };
  return { view, totals };
}

export function hostView(host: HostReport, totals: HostTotals = createHostTotals(), before?: HostTotals): object {
  const { draining, state, downReason, drain, ...rest } = host;
  const { responses, handshakes, upgrades, moved, sentBytes, receivedBytes, latency } = totals;
  return {
    ...rest,
    state: draining ? 'draining' : 'active',
    health: state,
    downReason: downReason ?? null,
    drain: drain ? { movesIn: drain.movesIn ?? null, movesPerSecond: drain.movesPerSecond } : null,
    totals: {
      requests: sumOfValues(responses),
      handshakes: sumOfValues(handshakes),
      upgrades,
      moved,
      sentBytes,
      receivedBytes,
    },
    latency: meanOf(latency, before?.latency),
  };
}

export function sessionView({ sid, host, from, transport, age, expiresIn, open }: SessionReport): object {
  return {
    sid, host, from, transport: transport ?? null, age: age ?? null, expiresIn: expiresIn ?? null, open: open ?? null,
  };
}

export function readinessView(readiness: Readiness): object {
  return { ready: readiness.ready, reason: readiness.ready ? null : readiness.reason };
}

export function changeView({ time, type, host, message }: Change): object {
  return { time, type, host: host ?? null, message };
}

/** Why a sid has no session, for people. */
export function absenceText(absence: Absence): string {
  switch (absence) {
    case 'expired': return 'the session was here, and its binding has expired: no request has used it for too long';
    case 'ended': return 'the session was here, and has ended: its WebSocket has closed, or it was moved';
    case 'host_gone': return 'its host is down, or is none of the hosts any more';
    default: return 'neither this proxy nor the session store knows the sid';
  }
}

function summaryView(operator: Operator, totals: Totals): object {
  const { since, workers, storeFails, readiness, rebalance } = operator.summary;
  return {
    version,
    uptime: (Date.now() - since) / 1000,
    workers,
    store: storeFails ? 'failing' : 'ok',
    ready: readinessView(readiness),
    queued: totals.queued,
    refused: sumOfValues(totals.refusals),
    rebalance,
  };
}

/** Of what has come since `before`, in seconds; `null` where nothing has. */
function meanOf(now: HistogramTotals, before?: HistogramTotals): number | null {
  const count = countOf(now) - (before ? countOf(before) : 0);
  const sum = now.sum - (before?.sum ?? 0);
  return count > 0 ? Math.max(0, sum / count) : null;
}

function sumOfValues(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
