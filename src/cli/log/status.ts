import type { HostStatus } from '../../hosts/host';
import type { StatusLine } from './status-line';

/** The source of the status line: the hosts, and the total number of requests. */
export interface Watched {
  readonly hosts: readonly HostStatus[];
  readonly requests: number;
}

/** Shows hosts up, sessions, and requests per second since the last update. */
export function showStatus(status: StatusLine, watched: Watched): void {
  let before = watched.requests;
  let since = performance.now();
  // On `exit`, to include an exit by a second signal.
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
