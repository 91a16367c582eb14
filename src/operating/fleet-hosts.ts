import createDebug from 'debug';
import { LRUCache } from 'lru-cache';
import { isPlainObject, MAX_DELAY, toError } from '../base/checks';
import type { Fleet } from '../fleet/fleet';
import type { Host } from '../hosts/host';
import { hostOf } from '../hosts/host-options';
import type { Hosts } from '../hosts/hosts';
import { FleetDrains } from './fleet-drains';
import { forgetHosts } from './fleet-forgets';
import { FleetStrangers } from './fleet-strangers';
import type { HostControl } from './host-control';
import type { Draining } from './moves';
import type { Remains } from './fleet-shown';
import { movesPerSecondOf } from './pace';

const debug = createDebug('socket.io-proxy:fleet');

/** After how many of its intervals a member drains what another one has begun to drain. */
const LAG = 2;

/** How long not to look again for a host of the same name that others may have added, in ms. */
const SEEK_PAUSE = 500;

/** What the fleet shares of a host, each in a register of its own: `<kind> <host>`. */
type Kind = 'listed' | 'weight' | 'drain';

/** The register `drain`. */
interface SharedDrain {
  readonly draining: boolean;
  /** When to start moving sessions, by Redis's clock, in ms since the epoch; `null` for never. */
  readonly movesAt: number | null;
  readonly movesPerSecond: number;
}

/**
 * Shares with the fleet what operators set at run time: drains, weights, and hosts that were added or removed. Every
 * member applies it, those that start later too.
 */
export class FleetHosts {
  readonly #fleet: Fleet;
  readonly #hosts: Hosts;
  readonly #control: HostControl;
  readonly #drains: FleetDrains;
  readonly strangers: FleetStrangers;
  /** The hosts of this proxy's own configuration. */
  readonly #configured: ReadonlySet<string>;
  /** The names for which a search has begun a moment ago. */
  readonly #sought = new LRUCache<string, true>({ max: 1000, ttl: SEEK_PAUSE });
  /** Searches that have not begun. Whoever asks later needs another one: it may be for a session that is newer. */
  readonly #searches = new Map<string, Promise<unknown>>();
  /** Hosts that were added by strangers, as it seems. These may turn out to be none. */
  readonly #skipped = new Set<string>();
  /** A host is being added to all members. */
  #isAdding = false;
  /** Drains that began here before Redis's clock was known: when sessions are moved, by `performance.now()`. */
  readonly #undated = new Map<string, { readonly at: number; readonly movesPerSecond: number }>();

  /** @param warn told of what is wrong with the fleet. */
  constructor(fleet: Fleet, hosts: Hosts, control: HostControl, warn: (text: string) => void) {
    this.#fleet = fleet;
    this.#hosts = hosts;
    this.#control = control;
    this.#drains = new FleetDrains(fleet, hosts);
    this.strangers = new FleetStrangers(fleet, hosts, warn);
    this.#configured = new Set(hosts.all.map(({ name }) => name));
    fleet.on('changed', (names) => {
      for (const name of names) this.#apply(name);
    });
    fleet.on('beat', () => {
      this.#dateDrains();
      for (const host of [...this.#skipped]) this.#apply(`listed ${host}`);
    });
    hosts.on('added', (host) => this.#onAdded(host));
    forgetHosts(fleet, hosts);
    hosts.seekWith((name) => this.#seek(name));
  }

  /** The configured hosts that the fleet has removed. */
  get without(): readonly string[] {
    return [...this.#configured].filter((name) => this.#valueOf('listed', name) === false);
  }

  /**
   * Adds a host here and to all.
   *
   * @throws StrangersError if proxies of another application would get it, too.
   * @throws TypeError as `HostControl.add` does.
   */
  add(host: string, weight: number): void {
    this.strangers.check([host]);
    this.#isAdding = true;
    try {
      this.#control.add(host, weight);
    } finally {
      this.#isAdding = false;
    }
  }

  /** Has the members add a host that is here, where another one does not have it. */
  spread({ name, weight }: Host): void {
    const isMissing = this.#fleet.others.some(({ record }) => !record.hosts.some(({ host }) => host === name));
    if (isMissing) this.#write('listed', name, { weight });
  }

  /** Whether the fleet drains a host, also where this proxy alone does not. */
  drains(host: string): boolean {
    return this.#drainOf(host)?.draining === true;
  }

  /** What other members may have on a host. */
  remainsOf(host: string): Remains {
    return this.#drains.remainsOf(host);
  }

  removed(host: string): void {
    // Nobody knows what the others have there. They would remove it, too, whenever Redis gives this proxy the rights.
    if (!this.#fleet.isRefused) this.#write('listed', host, false);
  }

  /** A drain that moves no session before all members may know of it: its client may come back through any of them. */
  delayed(draining: Draining): Draining {
    const { deadline } = draining;
    return deadline === undefined ? draining : { ...draining, deadline: Math.max(deadline, this.#lag) };
  }

  drained(host: string, { deadline, movesPerSecond }: Draining): void {
    this.#drains.follow(this.#hosts.named(host));
    const before = this.#drainOf(host);
    // Draining again without a deadline keeps an earlier one, also where this proxy alone has undone it.
    if (before?.draining && deadline === undefined) {
      this.#write('drain', host, before);
      this.#applyDrain(host);
      return;
    }
    const { now } = this.#fleet;
    this.#undated.delete(host);
    if (now === undefined && deadline !== undefined) {
      this.#undated.set(host, { at: performance.now() + deadline, movesPerSecond });
    }
    const movesAt = deadline === undefined || now === undefined ? null : now + deadline;
    this.#write('drain', host, { draining: true, movesAt, movesPerSecond });
  }

  undrained(host: string): void {
    this.#undated.delete(host);
    this.#write('drain', host, { draining: false });
  }

  weighed(host: string, weight: number): void {
    this.#write('weight', host, weight);
  }

  /** How much later the other members drain a host, in ms. */
  get #lag(): number {
    return LAG * Math.max(0, ...this.#fleet.others.map(({ record }) => record.interval));
  }

  #write(kind: Kind, host: string, value: unknown): void {
    this.#fleet.write(`${kind} ${host}`, value);
  }

  #valueOf(kind: Kind, host: string): unknown {
    return this.#fleet.read(`${kind} ${host}`);
  }

  #drainOf(host: string): SharedDrain | undefined {
    const value = this.#valueOf('drain', host);
    const draining: unknown = isPlainObject(value) ? Reflect.get(value, 'draining') : undefined;
    if (typeof draining !== 'boolean') return undefined;
    const [movesAt = null, movesPerSecond = 5] = ['movesAt', 'movesPerSecond'].map((name) => numberIn(value, name));
    try {
      return { draining, movesAt, movesPerSecond: movesPerSecondOf('movesPerSecond', movesPerSecond) };
    } catch {
      return undefined;
    }
  }

  /** Applies what another member has written. What is unknown or malformed changes nothing. */
  #apply(name: string): void {
    const [kind, host] = [name.slice(0, name.indexOf(' ')), name.slice(name.indexOf(' ') + 1)];
    try {
      if (kind === 'listed') this.#applyListed(host);
      else if (!this.#hosts.get(host)) return;
      else if (kind === 'weight') this.#applyWeight(host);
      else if (kind === 'drain') this.#applyDrain(host);
    } catch (error) {
      debug('%s: %s', name, toError(error).message);
    }
  }

  #applyListed(host: string): void {
    const value = this.#valueOf('listed', host);
    const known = this.#hosts.get(host);
    this.#skipped.delete(host);
    if (value === false && known) {
      this.#drains.conclude(known);
      // Who is told of that may have removed it.
      if (this.#hosts.get(host) === known) this.#control.remove(host);
    } else if (isPlainObject(value) && !known && !this.#hasTwin(host)) {
      if (this.strangers.haveAlone(host)) this.#skipped.add(host);
      else this.#control.add(host, numberIn(value, 'weight'));
    }
  }

  /** Whether the server is a host under another name. Then it stays, and the operator is told. */
  #hasTwin(host: string): boolean {
    const twin = this.#hosts.twinOf(hostOf('host', host, 1));
    if (twin) this.#hosts.suspect(twin, `name ${host}`, sameServer(host));
    return twin !== undefined;
  }

  #applyWeight(host: string): void {
    const value = this.#valueOf('weight', host);
    if (value !== undefined) this.#control.setWeight(host, value);
  }

  #applyDrain(host: string): void {
    const drain = this.#drainOf(host);
    // What is malformed changes nothing. What was forgotten is no drain.
    if (!drain && this.#fleet.get(`drain ${host}`)) return;
    if (!drain?.draining) {
      this.#control.undrain(host);
      return;
    }
    const { movesAt, movesPerSecond } = drain;
    const now = this.#fleet.now ?? Date.now();
    // A longer delay would be none, for a timer of Node.
    const deadline = movesAt === null ? undefined : Math.min(MAX_DELAY, Math.max(0, movesAt - now));
    this.#control.drainAfresh(host, { deadline, movesPerSecond, alone: false });
    this.#drains.follow(this.#hosts.named(host));
  }

  /** Looks whether another member has added a host since the last beat, on which a session is. */
  async #seek(host: string): Promise<void> {
    let search = this.#searches.get(host);
    if (!search) this.#searches.set(host, search = this.#search(host));
    await search;
  }

  async #search(host: string): Promise<void> {
    // Not too often: sessions of a host that was removed ask for it, too.
    const wait = this.#sought.getRemainingTTL(host);
    await new Promise((resolve) => setTimeout(resolve, wait));
    this.#searches.delete(host);
    this.#sought.set(host, true);
    await this.#fleet.refresh();
  }

  /** Listeners of the user come later, and may drain the host at once. */
  #onAdded({ name, weight }: Host): void {
    if (!this.#isAdding) {
      // What the fleet has for this name.
      for (const kind of ['weight', 'drain'] as const) this.#apply(`${kind} ${name}`);
      return;
    }
    this.#isAdding = false;
    this.#write('listed', name, { weight });
    this.#write('weight', name, weight);
    this.#write('drain', name, { draining: false });
  }

  /** Tells the others when drains move sessions that began before Redis's clock was known. */
  #dateDrains(): void {
    for (const [host, { at, movesPerSecond }] of this.#undated) {
      const left = Math.max(0, at - performance.now());
      this.#write('drain', host, { draining: true, movesAt: (this.#fleet.now ?? 0) + left, movesPerSecond });
    }
    this.#undated.clear();
  }
}

function sameServer(host: string): string {
  return `another proxy of the fleet calls this server '${host}'. Sessions are unknown where it has another name: ` +
    'give it one name everywhere';
}

function numberIn(value: unknown, name: string): number | undefined {
  const found: unknown = isPlainObject(value) ? Reflect.get(value, name) : undefined;
  return typeof found === 'number' ? found : undefined;
}
