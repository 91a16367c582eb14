import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createBalance, type Balance, type Choose } from './balance';
import type { DownReason, Host } from './host';

/** What Node says when a host cannot be reached, and what that means. */
const UNREACHED = new Map<string, DownReason>([
  ['ECONNREFUSED', 'refused'],
  ['EHOSTUNREACH', 'unreachable'],
  ['ENETUNREACH', 'unreachable'],
  ['EHOSTDOWN', 'unreachable'],
  ['ETIMEDOUT', 'unreachable'],
  ['ENOTFOUND', 'unreachable'],
  // No resolver answers.
  ['EAI_AGAIN', 'unreachable'],
]);

/** What was found of a host in a row. */
interface Counts {
  failures: number;
  /** When the last of these was counted, by `performance.now()`. */
  failedAt: number;
  successes: number;
}

/** Looks for a host that is not known, and adds it where it finds it. Never rejects. */
export type Seeker = (name: string) => Promise<void> | void;

export interface HostsOptions {
  readonly unhealthyAfter: number;
  readonly healthyAfter: number;
  readonly balance: Balance;
  readonly slowStart: number;
}

export interface HostsEvents {
  up: [host: Host];
  down: [host: Host, reason: DownReason];
  added: [host: Host];
  removed: [host: Host];
  draining: [host: Host];
  undrained: [host: Host];
  /** A host that is draining is empty: told once each time that it is drained. */
  drained: [host: Host];
}

/** The set of hosts, their states, and which one is next. */
export class Hosts extends EventEmitter<HostsEvents> {
  readonly #byName: Map<string, Host>;
  readonly #counts = new WeakMap<Host, Counts>();
  readonly #options: HostsOptions;
  readonly #choose: Choose;
  /** Never changed in place, so that who goes through it meets each host once. */
  #all: readonly Host[];
  /** Those that are draining and not empty yet. */
  readonly #draining = new Set<Host>();
  /** Those that were added after something was known of others, and so are to start slowly. */
  readonly #late = new WeakSet<Host>();
  #areKnown = false;
  /** Gives new sessions to the emptiest host, unless the balance is a function of the user's. */
  levelling = false;
  readonly #level = createBalance('least-connections');
  /** Hosts are to be discovered, and were not yet: of a name that is none of them nothing can be said. */
  undiscovered = false;
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

  /** Adds a way to find hosts that are not known: it is tried after those that were added before. */
  seekWith(seeker: Seeker): void {
    this.#seekers.push(seeker);
  }

  /** Looks for a host that a session is bound to, unless it is known. */
  async seek(name: string): Promise<Host | undefined> {
    for (const seeker of this.#seekers) {
      if (this.#byName.has(name)) break;
      await seeker(name);
    }
    return this.#byName.get(name);
  }

  /** @throws Error when there is no such host. */
  named(name: string): Host {
    const host = this.#byName.get(name);
    if (!host) throw new Error(`unknown host '${name}'`);
    return host;
  }

  /** @throws TypeError when it is one of them already, by this name or another. */
  add(host: Host): void {
    const twin = this.#all.find(({ url }) => url.origin === host.url.origin);
    if (twin) throw new TypeError(`'host' must name another server than '${twin.name}', received '${host.name}'`);
    if (this.#areKnown) this.#late.add(host);
    this.#all = [...this.#all, host];
    this.#byName.set(host.name, host);
    this.emit('added', host);
  }

  /** @throws Error when there is no such host; so do the others that take a name. */
  remove(name: string): void {
    const host = this.named(name);
    host.removed = true;
    this.#draining.delete(host);
    this.#all = this.#all.filter((other) => other !== host);
    this.#byName.delete(name);
    this.emit('removed', host);
  }

  /** Lets it have no new session, and tells when the last one that it has is over. */
  drain(name: string): void {
    const host = this.named(name);
    if (host.draining) return;
    host.draining = true;
    this.#draining.add(host);
    this.emit('draining', host);
    this.settle(host);
  }

  undrain(name: string): void {
    const host = this.named(name);
    if (!host.draining) return;
    host.draining = false;
    this.#draining.delete(host);
    this.emit('undrained', host);
  }

  setWeight(name: string, weight: number): void {
    this.named(name).weight = weight;
  }

  /** Takes in that something of a host that is draining has ended. */
  settle(host: Host): void {
    if (!host.empty || !this.#draining.has(host)) return;
    // Not at once: whoever calls is in the middle of something, and what ends now may be followed by what goes on.
    setImmediate(() => {
      if (host.empty && this.#draining.delete(host)) this.emit('drained', host);
    });
  }

  /** It is empty and, where it is draining, all have been told. */
  isSettled(host: Host): boolean {
    return host.empty && !this.#draining.has(host);
  }

  /** A new session has somewhere to go. */
  get open(): boolean {
    return this.#all.some((host) => host.open);
  }

  /** The host of a new session, of those that were not tried yet; `undefined` when there is none. */
  pick(request: IncomingMessage, tried?: ReadonlySet<Host>): Host | undefined {
    const open = this.#all.filter((host) => host.open && !tried?.has(host));
    const choose = this.levelling && typeof this.#options.balance === 'string' ? this.#level : this.#choose;
    return choose(open, request);
  }

  /** Records a health check's result: `undefined` when the host is well. */
  report(host: Host, found: DownReason | undefined): void {
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
      const known = host.unknown || !host.up || found === 'refused';
      if (known || counts.failures >= this.#options.unhealthyAfter) this.#mark(host, found);
    }
  }

  /**
   * Takes in that a connection to the host could not be made within `ms`, as a health check that has failed where that
   * is the host's fault: not where ports are lacking here, nor where it has only more connections waiting than it can
   * take.
   */
  unreached(host: Host, error: Error, ms: number): void {
    const reason = reasonOf(error);
    if (reason === undefined || (reason !== 'refused' && host.hasAnsweredWithin(ms))) return;
    const counts = this.#countsOf(host);
    const passed = performance.now() - counts.failedAt;
    // Those that fail at about the same time fail for the same reason.
    if (reason !== 'refused' && passed < ms) return;
    if (host.hasAnsweredWithin(passed)) counts.failures = 0;
    this.report(host, reason);
  }

  /** Takes over what another process has found that applies the same thresholds: `undefined` when the host is up. */
  follow(host: Host, found: DownReason | undefined): void {
    if (host.removed || (found === undefined && host.up)) return;
    Object.assign(this.#countsOf(host), { failures: 0, successes: 0 });
    this.#mark(host, found);
  }

  #countsOf(host: Host): Counts {
    let counts = this.#counts.get(host);
    if (!counts) this.#counts.set(host, counts = { failures: 0, failedAt: -Infinity, successes: 0 });
    return counts;
  }

  #mark(host: Host, down: DownReason | undefined): void {
    const was = host.unknown ? 'unknown' : host.up;
    // Every host is new to the first round, and none is to be spared for that.
    const slowly = was === false || this.#late.has(host);
    this.#areKnown = true;
    host.set(down, slowly ? this.#options.slowStart : 0);
    // With the sessions that are lost it may have lost its last ones.
    this.settle(host);
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
