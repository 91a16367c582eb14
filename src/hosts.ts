import { EventEmitter } from 'node:events';

/** Why a host is down. */
export type DownReason =
  /** It refuses connections: nothing listens there any more, and its sessions are lost. */
  | 'refused'
  /** No connection to it can be made: its machine or its name is gone. */
  | 'unreachable'
  /** It accepts connections and does not answer in time: it may be busy or frozen, and come back with its sessions. */
  | 'silent'
  /** It answers health checks with a status from 500. */
  | 'failing';

/** How long a silent host's sessions may live on: Engine.IO's default `pingTimeout`, after which they end anyway. */
const SILENT_GRACE = 20_000;

/** What Node says when a host cannot be reached, and what that means. */
const UNREACHED = new Map<string, DownReason>([
  ['ECONNREFUSED', 'refused'],
  ['EHOSTUNREACH', 'unreachable'],
  ['ENETUNREACH', 'unreachable'],
  ['EHOSTDOWN', 'unreachable'],
  ['ETIMEDOUT', 'unreachable'],
  ['ENOTFOUND', 'unreachable'],
]);

/** An entry of `hosts`, and the Socket.IO server behind it. */
export class Host {
  /** The entry as it stands in `hosts`, which is what a session store holds. */
  readonly name: string;
  /** Scheme, host name and port. */
  readonly url: URL;
  /** The TCP port, also where the scheme's default is meant. */
  readonly port: number;
  #down: { reason: DownReason; since: number } | 'unknown' | undefined = 'unknown';
  /** When it last answered anything: by `performance.now()`. */
  #answeredAt = -Infinity;

  /**
   * @param name `host:port`, `[IPv6]:port`, `http://host[:port]` or `https://host[:port]`.
   * @throws TypeError when `name` is anything else.
   */
  constructor(name: string) {
    this.name = name;
    this.url = parse(name);
    this.port = Number(this.url.port) || (this.url.protocol === 'https:' ? 443 : 80);
  }

  get up(): boolean {
    return this.#down === undefined;
  }

  /** Why it is down; `undefined` when it is up, or not known yet. */
  get downReason(): DownReason | undefined {
    return typeof this.#down === 'object' ? this.#down.reason : undefined;
  }

  /** It is not known yet whether it is up. */
  get unknown(): boolean {
    return this.#down === 'unknown';
  }

  /** It is down in a way that ended its sessions. */
  get gone(): boolean {
    if (typeof this.#down !== 'object') return false;
    const { reason, since } = this.#down;
    if (reason === 'silent') return Date.now() - since > SILENT_GRACE;
    return reason !== 'failing';
  }

  /** Takes in that it has answered a request. */
  answered(): void {
    this.#answeredAt = performance.now();
  }

  /** Whether it has answered anything in the last `ms`: then it is at most busy, whatever else seems to be wrong. */
  hasAnsweredWithin(ms: number): boolean {
    return performance.now() - this.#answeredAt < ms;
  }

  /** @internal Only `Hosts` changes a host's state, since it also tells of it. */
  set(down: DownReason | undefined): void {
    // A host that was silent and now refuses has died in between; the other way round it has come back.
    this.#down = down && { reason: down, since: this.downReason === down ? this.#since : Date.now() };
  }

  get #since(): number {
    return typeof this.#down === 'object' ? this.#down.since : Date.now();
  }
}

interface Counts {
  failures: number;
  successes: number;
}

export interface HostsEvents {
  up: [host: Host];
  down: [host: Host, reason: DownReason];
}

/** The set of hosts, their states, and which one is next. */
export class Hosts extends EventEmitter<HostsEvents> {
  readonly all: readonly Host[];
  readonly #byName: ReadonlyMap<string, Host>;
  readonly #counts = new Map<Host, Counts>();
  readonly #thresholds: { unhealthyAfter: number; healthyAfter: number };

  constructor(hosts: readonly Host[], thresholds: { unhealthyAfter: number; healthyAfter: number }) {
    super();
    this.all = hosts;
    this.#byName = new Map(hosts.map((host) => [host.name, host]));
    this.#thresholds = thresholds;
  }

  get(name: string): Host | undefined {
    return this.#byName.get(name);
  }

  /** A host that is up and was not tried yet, chosen at random; `undefined` when there is none. */
  pick(tried?: ReadonlySet<Host>): Host | undefined {
    const candidates = this.all.filter((host) => host.up && !tried?.has(host));
    return candidates[Math.floor(Math.random() * candidates.length)];
  }

  /** Takes in what a health check found: `undefined` when the host is well. */
  report(host: Host, found: DownReason | undefined): void {
    const counts = this.#countsOf(host);
    if (found === undefined) {
      counts.failures = 0;
      counts.successes += 1;
      if (host.unknown || (!host.up && counts.successes >= this.#thresholds.healthyAfter)) this.#mark(host, undefined);
    } else {
      counts.successes = 0;
      counts.failures += 1;
      // A refusal needs no second opinion: nothing listens there.
      const known = host.unknown || !host.up || found === 'refused';
      if (known || counts.failures >= this.#thresholds.unhealthyAfter) this.#mark(host, found);
    }
  }

  /**
   * Takes in that a connection to the host could not be made within `ms`, and marks it down where that is the host's
   * fault: not where ports are lacking here, nor where it has only more connections waiting than it can take.
   *
   * @returns whether it is down by now.
   */
  unreached(host: Host, error: Error, ms: number): boolean {
    const reason = reasonOf(error);
    if (reason === undefined || (reason !== 'refused' && host.hasAnsweredWithin(ms))) return host.gone;
    this.#countsOf(host).successes = 0;
    this.#mark(host, reason);
    return true;
  }

  #countsOf(host: Host): Counts {
    let counts = this.#counts.get(host);
    if (!counts) this.#counts.set(host, counts = { failures: 0, successes: 0 });
    return counts;
  }

  #mark(host: Host, down: DownReason | undefined): void {
    const was = host.unknown ? 'unknown' : host.up;
    host.set(down);
    if (down === undefined) {
      if (was !== true) this.emit('up', host);
    } else if (was !== false) {
      this.emit('down', host, down);
    }
  }
}

/** What an error while connecting says of a host; `undefined` where it says nothing. */
export function reasonOf(error: Error): DownReason | undefined {
  const code: unknown = 'code' in error ? error.code : undefined;
  // Where a name has several addresses, Node tries each, and reports them together under the first one's code.
  return typeof code === 'string' ? UNREACHED.get(code) : undefined;
}

function parse(name: string): URL {
  const expected = `expected 'host:port', '[IPv6]:port', 'http://…' or 'https://…', received '${name}'`;
  const withScheme = /^https?:\/\//i.test(name);
  // `URL` forgives much (spaces, backslashes, missing slashes) that is a mistake in a configuration.
  const isWellFormed = /^(?:https?:\/\/)?(?:\[[0-9a-f:.]+\]|[^\s/\\?#@:[\]]+)(?::\d{1,5})?\/?$/i.test(name);
  if (!isWellFormed) throw new TypeError(expected);
  if (!withScheme && !/:\d{1,5}$/.test(name)) throw new TypeError(`a port is missing: ${expected}`);
  try {
    const url = new URL(withScheme ? name : `http://${name}`);
    if (url.port === '0') throw new TypeError(expected);
    return url;
  } catch {
    throw new TypeError(expected);
  }
}
