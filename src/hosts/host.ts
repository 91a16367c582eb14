import { createHostTotals, type HostTotals } from '../base/totals';
import { HostAddress } from './address';

/** Why a host is down. */
export type DownReason =
  /** The host refuses connections: nothing listens there any more, and its sessions are lost. */
  | 'refused'
  /** Connections neither succeed nor are refused: the host may be too busy, or the network down for a while. */
  | 'unreachable'
  /** The host accepts connections but does not answer in time: it may be busy or frozen, and keep its sessions. */
  | 'silent'
  /** The host's certificate is not trusted, or is for another name. Nothing is sent to the host. */
  | 'untrusted'
  /** The host answers health checks with an unexpected status (from 500, unless `checkStatus` is set), or cuts them. */
  | 'failing';

/** The current state of a host, as far as this proxy knows. */
export interface HostStatus {
  /** The host's name, as it stands in `hosts`. */
  readonly host: string;
  /** `'checking'` until the first health check is over. The host gets new sessions only while it is `'up'`. */
  readonly state: 'checking' | 'up' | 'down';
  /** Why the host is down; `undefined` while it is not. */
  readonly downReason: DownReason | undefined;
  /** More about `downReason` for people, such as what is wrong with the host's certificate; `undefined` if nothing. */
  readonly downText: string | undefined;
  /** Whether the host is draining: it gets no new sessions, and keeps those that it has. */
  readonly draining: boolean;
  /** The host's share of new sessions, relative to the other weights. */
  readonly weight: number;
  /** How many sessions of the host this proxy knows. */
  readonly sessions: number;
  /** How many WebSockets are open or opening. */
  readonly tunnels: number;
  /** How many HTTP requests are in progress, held polls included. */
  readonly requests: number;
  /** How many of `requests` are polls: GET requests of a session, which the host may hold until it has data. */
  readonly polls: number;
}

/** What other processes have of a host: other members of the fleet, and for a worker also the other workers. */
export interface Elsewhere {
  /** How many sessions they know that this process does not. */
  readonly sessions: number;
  /** How many sessions each of them knows, in all: those that several know count several times. */
  readonly known: number;
  readonly tunnels: number;
  readonly polls: number;
  /** How many of them see the host up. */
  readonly up: number;
  /** How many of them see it down. */
  readonly down: number;
}

export const NOWHERE: Elsewhere = { sessions: 0, known: 0, tunnels: 0, polls: 0, up: 0, down: 0 };

/**
 * How long the sessions of an unresponsive host may survive, in ms. This is Engine.IO's default `pingTimeout`, after
 * which they end anyway.
 */
export const SILENT_GRACE = 20_000;

/** Reasons that do not prove that a host is gone. */
const DOUBTS = new Set<DownReason | undefined>(['silent', 'unreachable', 'untrusted']);

/** The fraction of a host's weight with which its slow start begins. */
const SLOW_START = 0.1;

/** The largest weight of a host. */
export const MAX_WEIGHT = 1000;

/** Valid for DNS and for the `Host` field: an address (IPv6 in brackets), or a name of at most 253 characters. */
const NAME = /^(?:\[[0-9a-f:.]+\]|(?=.{1,253}\.?$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?)$/;

/** An entry of `hosts`, and the Socket.IO server behind it. */
export class Host {
  /** The entry as it stands in `hosts`. The session store holds this name. */
  readonly name: string;
  /** Scheme, host name and port. */
  readonly url: URL;
  /** The TCP port, by default the scheme's. */
  readonly port: number;
  /** The host name or IP address, IPv6 without brackets. */
  readonly hostname: string;
  /** Where connections go. */
  readonly address: HostAddress;
  weight: number;
  draining = false;
  /** The proxy no longer has this host. */
  removed = false;
  /** As in `HostStatus`. Whoever begins or ends one changes the count. */
  sessions = 0;
  tunnels = 0;
  requests = 0;
  polls = 0;
  /** Its counts so far. */
  readonly totals: HostTotals = createHostTotals();
  /** As last heard. */
  elsewhere = NOWHERE;
  /** Other processes' counts are not known now, so the host may not be empty. */
  uncertain = false;
  /** The fleet drains the host, and other members may still have something there. */
  inUseElsewhere = false;
  /** How many of `requests` and `tunnels` may still open a session. */
  opening = 0;
  /** The longest that a binding to the host was given to live unused, in seconds, as far as is known. */
  bindingLife = 0;
  /** How often the host has lost all its sessions. A session that was counted in an earlier era no longer counts. */
  era = 0;
  #down: { reason: DownReason; text: string | undefined; since: number } | 'unknown' | undefined = 'unknown';
  /** When the host last answered anything, by `performance.now()`. */
  #answeredAt = -Infinity;
  /** When the host last answered with a status below 500. */
  #servedAt = -Infinity;
  #slowStart: { since: number; ms: number } | undefined;

  /**
   * @param name `host:port`, `[IPv6]:port`, `http://host[:port]` or `https://host[:port]`.
   * @throws TypeError when `name` is anything else.
   */
  constructor(name: string, weight = 1) {
    this.name = name;
    this.url = parse(name);
    this.port = Number(this.url.port) || (this.url.protocol === 'https:' ? 443 : 80);
    this.hostname = this.url.hostname.replace(/^\[|\]$/g, '');
    this.address = new HostAddress(this.hostname);
    this.weight = weight;
  }

  get up(): boolean {
    return this.#down === undefined;
  }

  /** Why the host is down; `undefined` when it is up or not known yet. */
  get downReason(): DownReason | undefined {
    return typeof this.#down === 'object' ? this.#down.reason : undefined;
  }

  /** More about the reason, for people. */
  get downText(): string | undefined {
    return typeof this.#down === 'object' ? this.#down.text : undefined;
  }

  /** Whether no health check has told yet if the host is up. */
  get unknown(): boolean {
    return this.#down === 'unknown';
  }

  /** Whether this proxy takes the host's sessions for lost. Other proxies may know better: shared data must stay. */
  get gone(): boolean {
    if (this.removed) return true;
    if (typeof this.#down !== 'object') return false;
    const { reason, since } = this.#down;
    if (!DOUBTS.has(reason)) return reason === 'refused';
    return performance.now() - Math.max(since, this.#answeredAt) > SILENT_GRACE;
  }

  /** Whether the host may get a new session. */
  get open(): boolean {
    return this.up && !this.draining && this.weight > 0;
  }

  /** Whether the host has no session, and nothing that may open one. */
  get empty(): boolean {
    return this.sessions === 0 && this.tunnels === 0 && this.requests === 0 && !this.uncertain;
  }

  /** The weight that counts now: less during a slow start. */
  get share(): number {
    if (!this.#slowStart) return this.weight;
    const { since, ms } = this.#slowStart;
    const passed = (performance.now() - since) / ms;
    if (passed < 1) return this.weight * (SLOW_START + (1 - SLOW_START) * passed);
    this.#slowStart = undefined;
    return this.weight;
  }

  /** The sessions that exist or may be about to open. A session with a WebSocket counts once. */
  get load(): number {
    return this.allSessions + this.opening;
  }

  /** The sessions that this process and all others know. */
  get allSessions(): number {
    return this.sessions + this.elsewhere.sessions;
  }

  /** This process's part of what all know, from 0 to 1. */
  get part(): number {
    const { sessions, elsewhere: { known } } = this;
    return sessions === 0 ? 0 : sessions / (sessions + known);
  }

  get status(): HostStatus {
    const { name: host, downReason, downText, draining, weight, sessions, tunnels, requests, polls } = this;
    const state = this.unknown ? 'checking' : this.up ? 'up' : 'down';
    return { host, state, downReason, downText, draining, weight, sessions, tunnels, requests, polls };
  }

  /** Records that the host has answered a request. `served`: not with an error of its own. */
  answered(served = true): void {
    this.#answeredAt = performance.now();
    if (served) this.#servedAt = this.#answeredAt;
  }

  /** Whether the host has answered anything in the last `ms`. Then it is at most busy, whatever else seems wrong. */
  hasAnsweredWithin(ms: number): boolean {
    return performance.now() - this.#answeredAt < ms;
  }

  /** Whether the host has answered a request well in the last `ms`. */
  hasServedWithin(ms: number): boolean {
    return performance.now() - this.#servedAt < ms;
  }

  /**
   * @internal Only `Hosts` calls this, because it also emits the events.
   * @param slowStart for how long the share grows from now on, in ms, if the host is up.
   */
  set(down: DownReason | undefined, slowStart: number, text?: string): void {
    this.#down = down && { reason: down, text, since: this.#sinceOf(down) };
    if (down === 'refused') this.#loseSessions();
    // While its sessions may still live, the host keeps the address where they are.
    if (down !== undefined && this.gone) this.leaveAddress();
    if (down === undefined) this.#slowStart = slowStart > 0 ? { since: performance.now(), ms: slowStart } : undefined;
  }

  /** Lets connections go to another address of the host's name, if there is one. The sessions are lost then. */
  leaveAddress(): void {
    if (this.address.leave()) this.#loseSessions();
  }

  /** Lets connections go to the address that another process has found. Sessions on another one are lost. */
  adoptAddress(address: string): void {
    if (this.address.adopt(address)) this.#loseSessions();
  }

  /** When the current reason began. A change between two doubtful reasons does not restart the time. */
  #sinceOf(down: DownReason): number {
    const isSame = this.downReason === down || (DOUBTS.has(down) && DOUBTS.has(this.downReason));
    // A host that was silent and now refuses has died in between. In the other order it has come back.
    return typeof this.#down === 'object' && isSame ? this.#down.since : performance.now();
  }

  /** If the host comes back, its sessions do not. */
  #loseSessions(): void {
    this.era += 1;
    this.sessions = 0;
  }
}

function parse(name: string): URL {
  const expected = `expected 'host:port', '[IPv6]:port', 'http://…' or 'https://…', received '${name}'`;
  const withScheme = /^https?:\/\//i.test(name);
  const port = /:(\d+)\/?$/.exec(name)?.[1];
  if (port !== undefined && !(Number(port) > 0 && Number(port) < 65_536)) {
    throw new TypeError(`a port is from 1 to 65535: ${expected}`);
  }
  // `URL` accepts spaces, backslashes and missing slashes, which are mistakes in a configuration.
  const isWellFormed = /^(?:https?:\/\/)?(?:\[[0-9a-f:.]+\]|[^\s/\\?#@:[\]]+)(?::\d{1,5})?\/?$/i.test(name);
  if (!isWellFormed) throw new TypeError(expected);
  if (!withScheme && !/:\d{1,5}$/.test(name)) throw new TypeError(`a port is missing: ${expected}`);
  try {
    const url = new URL(withScheme ? name : `http://${name}`);
    if (!NAME.test(url.hostname)) throw new TypeError(expected);
    return url;
  } catch {
    throw new TypeError(expected);
  }
}
