/** Snapshots that are closer to each other, in seconds, tell more of chance than of traffic. */
const CLOSEST = 0.5;

const UNKNOWN = { requests: null, sent: null, received: null };

/** Works out rates from snapshots that follow each other. */
export class Rates {
  #before = new Map();
  #uptime = 0;
  #rates = new Map();

  /** @returns the hosts of the snapshot, each with `rates`; null where they cannot be told. */
  rows({ hosts, summary }) {
    // By the server's clock: when a snapshot arrives says little about when it was taken.
    const seconds = summary.uptime - this.#uptime;
    const again = seconds >= 0 && seconds < CLOSEST;
    if (!again) this.#measure(hosts, seconds);
    if (!again) this.#uptime = summary.uptime;
    return hosts.map((host) => ({ ...host, rates: this.#rates.get(host.host) ?? UNKNOWN }));
  }

  #measure(hosts, seconds) {
    this.#rates = new Map(hosts.map(({ host, totals }) => [host, ratesOf(totals, this.#before.get(host), seconds)]));
    this.#before = new Map(hosts.map(({ host, totals }) => [host, totals]));
  }
}

/** Adds to each host its `share` of sessions and what is `due` to it; null where that cannot be told. */
export function withShares(rows) {
  const sessions = sum(rows, (row) => row.sessions);
  const weights = sum(rows.filter(takesSessions), (row) => row.weight);
  return rows.map((row) => ({
    ...row,
    share: sessions === 0 ? null : row.sessions / sessions,
    due: weights === 0 ? null : (takesSessions(row) ? row.weight : 0) / weights,
  }));
}

/** Null as soon as one is. */
export function sum(list, valueOf) {
  let total = 0;
  for (const item of list) {
    const value = valueOf(item);
    if (value === null) return null;
    total += value;
  }
  return total;
}

export const takesSessions = ({ state, health }) => state === 'active' && health === 'up';

function ratesOf(now, before, seconds) {
  const rate = (name) => {
    // It counts from 0 again where the proxy was restarted, or the host removed and added.
    const difference = before === undefined || seconds <= 0 ? -1 : now[name] - before[name];
    return difference < 0 ? null : difference / seconds;
  };
  return { requests: rate('requests'), sent: rate('sentBytes'), received: rate('receivedBytes') };
}
