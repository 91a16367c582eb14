import type { HostStatus } from '../../hosts/host';
import type { StatusLine } from './status-line';

/** What the line shows: hosts, and how many requests have come in all. */
export interface Watched {
  readonly hosts: readonly HostStatus[];
  readonly requests: number;
}

/** Hosts up, sessions, and how many requests have come since it was last written, a second. */
export function showStatus(status: StatusLine, watched: Watched): void {
  let before = watched.requests;
  let since = performance.now();
  // Also where a second signal ends it.
  process.once('exit', () => status.stop());
  status.start(() => {
    const { hosts, requests } = watched;
    const up = hosts.filter(({ state }) => state === 'up').length;
    const sessions = hosts.reduce((sum, host) => sum + host.sessions, 0);
    const now = performance.now();
    const rate = Math.round((requests - before) * 1000 / Math.max(1, now - since));
    [before, since] = [requests, now];
    return `${up}/${hosts.length} hosts up · ${sessions} sessions · ${rate} requests/s`;
  });
}
