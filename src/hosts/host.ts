import { createHostTotals, type HostTotals } from '../base/totals';

/** Why a host is down. */
export type DownReason =
  /** It refuses connections: nothing listens there any more, and its sessions are lost. */
  | 'refused'
  /** No connection to it comes about, nor is one refused: it may be too busy, or the way there cut for a while. */
  | 'unreachable'
  /** It accepts connections and does not answer in time: it may be busy or frozen, and come back with its sessions. */
  | 'silent'
  /** It answers health checks with a status from 500. */
  | 'failing';

/** A host as it is at the moment, as far as this proxy knows. */
export interface HostStatus {
  /** The host's name, as it stands in `hosts`. */
  readonly host: string;
  /** `'checking'` until its first health check is over: until then, and while it is down, it gets no new session. */
  readonly state: 'checking' | 'up' | 'down';
  /** Why it is down; `undefined` while it is not. */
  readonly downReason: DownReason | undefined;
  /** It gets no new session, and keeps those that it has. */
  readonly draining: boolean;
  /** Its share of new sessions, next to the weights of the others. */
  readonly weight: number;
  /** How many sessions this proxy knows to be there. */
  readonly sessions: number;
  /** How many WebSockets are open, or being opened. */
  readonly tunnels: number;
  /** How many HTTP requests are under way, held polls among them. */
  readonly requests: number;
  /** How many of these are polls: GET requests of a session, which a host answers when it has something to say. */
  readonly polls: number;
}

/**
 * How long the sessions of a host may live on from which nothing comes, in ms: Engine.IO's default `pingTimeout`, after
 * which they end anyway.
 */
export const SILENT_GRACE = 20_000;

/** What is no proof that a host is gone. */
const DOUBTS = new Set<DownReason | undefined>(['silent', 'unreachable']);

/** The part of its weight with which a slow start begins. */
const SLOW_START = 0.1;

/** What can be looked up, and stand in `Host`: an address, of IPv6 in brackets, or a name of at most 253 characters. */
const NAME = /^(?:\[[0-9a-f:.]+\]|(?=.{1,253}\.?$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?)$/;

/** An entry of `hosts`, and the Socket.IO server behind it. */
export class Host {
  /** The entry as it stands in `hosts`, which is what a session store holds. */
  readonly name: string;
  /** Scheme, host name and port. */
  readonly url: URL;
  /** The TCP port, also where the scheme's default is meant. */
  readonly port: number;
  weight: number;
  draining = false;
  /** It is no longer one of the proxy's hosts. */
  removed = false;
  /** See `HostStatus`. Whoever begins or ends one counts it. */
  sessions = 0;
  tunnels = 0;
  requests = 0;
  polls = 0;
  /** What it has done so far. */
  readonly totals: HostTotals = createHostTotals();
  /** What is there is counted elsewhere, and not known at the moment: it may not be empty. */
  uncertain = false;
  /** How many of the requests and tunnels may still open a session. */
  opening = 0;
  /** How often its sessions were lost at once: one that was counted in an earlier era is no longer. */
  era = 0;
  #down: { reason: DownReason; since: number } | 'unknown' | undefined = 'unknown';
  /** When it last answered anything: by `performance.now()`. */
  #answeredAt = -Infinity;
  #slowStart: { since: number; ms: number } | undefined;

  /**
   * @param name `host:port`, `[IPv6]:port`, `http://host[:port]` or `https://host[:port]`.
   * @throws TypeError when `name` is anything else.
   */
  constructor(name: string, weight = 1) {
    this.name = name;
    this.url = parse(name);
    this.port = Number(this.url.port) || (this.url.protocol === 'https:' ? 443 : 80);
    this.weight = weight;
  }

  /** The host name or address by which it is reached; of IPv6 without the brackets that a URL has. */
  get address(): string {
    return this.url.hostname.replace(/^\[|\]$/g, '');
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

  /** As far as this proxy can see, its sessions are lost. Others may see more: what they share is not to be deleted. */
  get gone(): boolean {
    if (this.removed) return true;
    if (typeof this.#down !== 'object') return false;
    const { reason, since } = this.#down;
    if (!DOUBTS.has(reason)) return reason === 'refused';
    return performance.now() - Math.max(since, this.#answeredAt) > SILENT_GRACE;
  }

  /** It may be given a new session. */
  get open(): boolean {
    return this.up && !this.draining && this.weight > 0;
  }

  /** No session is there, and nothing that may open one. */
  get empty(): boolean {
    return this.sessions === 0 && this.tunnels === 0 && this.requests === 0 && !this.uncertain;
  }

  /** What its weight is worth at the moment: less during a slow start. */
  get share(): number {
    if (!this.#slowStart) return this.weight;
    const { since, ms } = this.#slowStart;
    const passed = (performance.now() - since) / ms;
    if (passed < 1) return this.weight * (SLOW_START + (1 - SLOW_START) * passed);
    this.#slowStart = undefined;
    return this.weight;
  }

  /** The sessions that it has, or is about to have: one that has a WebSocket counts once. */
  get load(): number {
    return this.sessions + this.opening;
  }

  get status(): HostStatus {
    const { name: host, downReason, draining, weight, sessions, tunnels, requests, polls } = this;
    const state = this.unknown ? 'checking' : this.up ? 'up' : 'down';
    return { host, state, downReason, draining, weight, sessions, tunnels, requests, polls };
  }

  /** Takes in that it has answered a request. */
  answered(): void {
    this.#answeredAt = performance.now();
  }

  /** Whether it has answered anything in the last `ms`: then it is at most busy, whatever else seems to be wrong. */
  hasAnsweredWithin(ms: number): boolean {
    return performance.now() - this.#answeredAt < ms;
  }

  /**
   * @internal Only `Hosts` changes a host's state, since it also tells of it.
   * @param slowStart for how long its share grows from now on, in ms, where it is up.
   */
  set(down: DownReason | undefined, slowStart: number): void {
    this.#down = down && { reason: down, since: this.#sinceOf(down) };
    if (down === 'refused') this.#loseSessions();
    if (down === undefined) this.#slowStart = slowStart > 0 ? { since: performance.now(), ms: slowStart } : undefined;
  }

  /** Since when it is down like that, and so since when nothing has come from one that is in doubt. */
  #sinceOf(down: DownReason): number {
    const isSame = this.downReason === down || (DOUBTS.has(down) && DOUBTS.has(this.downReason));
    // A host that was silent and now refuses has died in between; the other way round it has come back.
    return typeof this.#down === 'object' && isSame ? this.#down.since : performance.now();
  }

  /** Nothing listens there: should it come back, its sessions do not. */
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
  // `URL` forgives much (spaces, backslashes, missing slashes) that is a mistake in a configuration.
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
