import { EventEmitter } from 'node:events';
import type { RequestHead } from '../base/request-head';
import { createBalance, leastConnections, lessOfTwo, type Choose, type ResolvedBalance } from './balance';
import type { DownReason, Host } from './host';
import { reasonOf } from './reasons';

/** How many results of a host were the same in a row. */
interface Counts {
  failures: number;
  /** When the last failure was counted, by `performance.now()`. */
  failedAt: number;
  successes: number;
}

/** Looks for an unknown host, and adds it if it is found. Never rejects. */
export type Seeker = (name: string) => Promise<void> | void;

export interface HostsOptions {
  readonly unhealthyAfter: number;
  readonly healthyAfter: number;
  readonly balance: ResolvedBalance;
  readonly slowStart: number;
  /** The most sessions of a host; `undefined`: any number. */
  readonly maxSessions: number | undefined;
}

export interface HostsEvents {
  up: [host: Host];
  down: [host: Host, reason: DownReason];
  added: [host: Host];
  removed: [host: Host];
  draining: [host: Host];
  undrained: [host: Host];
  /** A host has another weight. */
  weighed: [host: Host];
  /** A draining host has become empty. Emitted once per drain. */
  drained: [host: Host];
  /** Something about a host is probably a mistake. `text` says what, and what to do. */
  suspicious: [host: Host, text: string];
}

/** The set of hosts, their states, and the choice of a host for each new session. */
export class Hosts extends EventEmitter<HostsEvents> {
  readonly #byName: Map<string, Host>;
  readonly #counts = new WeakMap<Host, Counts>();
  readonly #options: HostsOptions;
  readonly #choose: Choose;
  /** What has been said about a host. */
  readonly #suspected = new WeakMap<Host, Set<string>>();
  /** Replaced rather than changed, so that a loop over it visits each host once. */
  #all: readonly Host[];
  /** Hosts that are draining and not empty yet. */
  readonly #draining = new Set<Host>();
  /** Hosts that were added after the first check result of any host: they start slowly. */
  readonly #newcomers = new WeakSet<Host>();
  #anyKnown = false;
  /** Balances by `least-connections`, unless the balance is the user's function. */
  levelling = false;
  /** Other processes send new sessions to these hosts, too. */
  shared = false;
  /** Hosts are still to be discovered: an unknown name may turn out to be a host. */
  awaitsDiscovery = false;
  readonly #seekers: Seeker[] = [];

  constructor(hosts: readonly Host[], options: HostsOptions) {
    super();
    this.#all = hosts;
    this.#byName = new Map(hosts.map((host) => [host.name, host]));
    this.#options = options;
    this.#choose = createBalance(options.balance);
  }

  get all(): readonly Host[] {
    return this.#all;
  }

  get(name: string): Host | undefined {
    return this.#byName.get(name);
  }

  /** Adds a way to find unknown hosts. Seekers are tried in the order in which they were added. */
  seekWith(seeker: Seeker): void {
    this.#seekers.push(seeker);
  }

  /** Returns the host that a session is bound to; asks the seekers if it is unknown. */
  async seek(name: string): Promise<Host | undefined> {
    for (const seeker of this.#seekers) {
      if (this.#byName.has(name)) break;
      await seeker(name);
    }
    return this.#byName.get(name);
  }

  /** @throws Error when the host is unknown. */
  named(name: string): Host {
    const host = this.#byName.get(name);
    if (!host) throw new Error(`unknown host '${name}'`);
    return host;
  }

  /** The host that is the same server, whatever its name. */
  twinOf({ url }: Host): Host | undefined {
    return this.#all.find((host) => host.url.origin === url.origin);
  }

  /** @throws TypeError when the server is a host already, under this name or another. */
  add(host: Host): void {
    const twin = this.twinOf(host);
    if (twin) throw new TypeError(`'host' must name another server than '${twin.name}', received '${host.name}'`);
    if (this.#anyKnown) this.#newcomers.add(host);
    this.#all = [...this.#all, host];
    this.#byName.set(host.name, host);
    this.emit('added', host);
  }

  /** @throws Error when the host is unknown, as do `drain`, `undrain` and `setWeight`. */
  remove(name: string): void {
    const host = this.named(name);
    host.removed = true;
    this.#draining.delete(host);
    this.#all = this.#all.filter((other) => other !== host);
    this.#byName.delete(name);
    this.emit('removed', host);
  }

  /** Gives the host no new sessions, and emits `drained` once its last session is over. */
  drain(name: string): void {
    const host = this.named(name);
    if (host.draining) return;
    host.draining = true;
    this.#draining.add(host);
    this.emit('draining', host);
    this.settle(host);
  }

  /** Lets a draining host that was told to be drained be told so once more, when it is. */
  drainOn(host: Host): void {
    if (host.draining) this.#draining.add(host);
  }

  undrain(name: string): void {
    const host = this.named(name);
    if (!host.draining) return;
    host.draining = false;
    host.inUseElsewhere = false;
    this.#draining.delete(host);
    this.emit('undrained', host);
  }

  setWeight(name: string, weight: number): void {
    const host = this.named(name);
    host.weight = weight;
    this.emit('weighed', host);
  }

  /** Called when something on a host has ended: if the host is draining, it may be empty now. */
  settle(host: Host): void {
    const isOver = (): boolean => host.empty && !host.inUseElsewhere;
    if (!isOver() || !this.#draining.has(host)) return;
    // Deferred, because the caller may start further work on this host in the same turn.
    setImmediate(() => {
      if (isOver() && this.#draining.delete(host)) this.emit('drained', host);
    });
  }

  /** Tells that a draining host is drained, unless that was told: at once, since it is about to be removed. */
  conclude(host: Host): void {
    if (this.#draining.delete(host)) this.emit('drained', host);
  }

  /** Whether the host is empty and, if it is draining, `drained` was emitted. */
  isSettled(host: Host): boolean {
    return host.empty && !this.#draining.has(host);
  }

  /** Whether any host may get a new session. */
  get open(): boolean {
    return this.#all.some((host) => host.open);
  }

  /** Whether no host has room for a new session. */
  get full(): boolean {
    return !this.#all.some((host) => host.open && this.#hasRoom(host));
  }

  /**
   * Chooses the host of a request without a session among those not tried yet; `undefined` when there is none.
   *
   * @param opens the request may open a session, for which the host needs room.
   */
  pick(request: RequestHead, opens: boolean, tried?: ReadonlySet<Host>): Host | undefined {
    const open = this.#all.filter((host) => host.open && !tried?.has(host) && (!opens || this.#hasRoom(host)));
    return this.#choice(open, request);
  }

  #hasRoom(host: Host): boolean {
    return host.load < (this.#options.maxSessions ?? Infinity);
  }

  #choice(open: readonly Host[], request: RequestHead): Host | undefined {
    const { balance } = this.#options;
    if (this.levelling && typeof balance === 'string') return leastConnections(open);
    if (this.shared && balance === 'least-connections') return lessOfTwo(open);
    return this.#choose(open, request);
  }

  /** Records a health check's result: `undefined` when the host is well. `text`: more about it, for people. */
  report(host: Host, found: DownReason | undefined, text?: string): void {
    if (host.removed) return;
    const counts = this.#countsOf(host);
    if (found === undefined) {
      counts.failures = 0;
      counts.successes += 1;
      if (host.unknown || (!host.up && counts.successes >= this.#options.healthyAfter)) this.#mark(host, undefined);
    } else {
      counts.successes = 0;
      counts.failures += 1;
      counts.failedAt = performance.now();
      // A refusal needs no second opinion: nothing listens there.
      const atOnce = host.unknown || !host.up || found === 'refused';
      if (atOnce || counts.failures >= this.#options.unhealthyAfter) this.#mark(host, found, text);
    }
  }

  /**
   * Records that no connection to the host could be made within `ms`. This counts as a failed health check, unless this
   * process lacks ports, or the host answers other requests and only its queue of connections is full.
   */
  unreached(host: Host, error: Error, ms: number): void {
    const found = reasonOf(error);
    const { used } = host.address;
    // Other connections have found another address meanwhile.
    if ('address' in error && used !== undefined && error.address !== used) return;
    if (!found || (found.reason !== 'refused' && host.hasAnsweredWithin(ms))) return;
    const counts = this.#countsOf(host);
    const passed = performance.now() - counts.failedAt;
    // Attempts that fail at about the same time fail for the same reason, and count once.
    if (found.reason !== 'refused' && passed < ms) return;
    if (host.hasAnsweredWithin(passed)) counts.failures = 0;
    this.report(host, found.reason, found.text);
  }

  /** Adopts the finding of another process with the same thresholds: `undefined` when the host is up. */
  adopt(host: Host, found: DownReason | undefined, text?: string): void {
    if (host.removed || (found === undefined && host.up)) return;
    Object.assign(this.#countsOf(host), { failures: 0, successes: 0 });
    this.#mark(host, found, text);
  }

  /** Says once what is probably wrong with a host. */
  suspect(host: Host, kind: string, text: string): void {
    const known = this.#suspected.get(host) ?? new Set();
    this.#suspected.set(host, known);
    if (host.removed || known.has(kind)) return;
    known.add(kind);
    this.emit('suspicious', host, text);
  }

  #countsOf(host: Host): Counts {
    let counts = this.#counts.get(host);
    if (!counts) this.#counts.set(host, counts = { failures: 0, failedAt: -Infinity, successes: 0 });
    return counts;
  }

  #mark(host: Host, down: DownReason | undefined, text?: string): void {
    const was = host.unknown ? 'unknown' : host.up;
    // No slow start in the first round, in which every host is new.
    const slowly = was === false || this.#newcomers.has(host);
    this.#anyKnown = true;
    host.set(down, slowly ? this.#options.slowStart : 0, text);
    // A host that refuses connections has just lost its last sessions.
    this.settle(host);
    if (down === undefined) {
      if (was !== true) this.emit('up', host);
    } else if (was !== false) {
      this.emit('down', host, down);
    }
  }
}
