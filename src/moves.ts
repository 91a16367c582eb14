import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from './host';
import type { Hosts } from './hosts';
import type { DrainStatus, RebalanceStatus, SessionSource } from './operator';

/** The shortest time between two times that sessions are moved, in ms: at higher rates it is several each time. */
const TICK = 50;

/** How often a host that is drained is looked at again, in ms: sessions that another proxy knows may come to it. */
const IDLE_TICK = 1000;

/** How long a client that was moved may take to come back, in ms: Socket.IO's default `reconnectionDelayMax`. */
const RETURN_TIME = 5000;

/** How far from its share a host's number of sessions may be. */
const TOLERANCE = 0.1;

export interface MovesEvents {
  /** A rebalance has begun. */
  rebalancing: [];
  /** It is over, having moved so many. */
  rebalanced: [moved: number];
}

/** How the sessions are spread. */
interface Balance {
  readonly total: number;
  readonly spread: number;
  /** How many are too many on their hosts. */
  readonly excess: number;
  readonly isUneven: boolean;
  /** Of which one is to be moved; `undefined` where none is. */
  readonly fullest: Host | undefined;
}

interface Drain {
  readonly movesPerSecond: number;
  /** When its sessions are moved, by `performance.now()`; `undefined` for never. */
  readonly movesAt: number | undefined;
  readonly stopping: AbortController;
}

/**
 * Moves sessions: ends them, a few at a time and about evenly, so that their clients come back on other hosts. What is
 * moved is what is known here; of several proxies, each moves its own.
 */
export class Moves extends EventEmitter<MovesEvents> {
  readonly #hosts: Hosts;
  readonly #sessions: SessionSource;
  readonly #drains = new Map<Host, Drain>();
  #rebalance: AbortController | undefined;
  #moved = 0;
  /** How many sessions there were when it began. */
  #total = 0;
  /** How many were moved lately, and when: by `performance.now()`. */
  #recent: { count: number; at: number }[] = [];

  constructor(hosts: Hosts, sessions: SessionSource) {
    super();
    this.#hosts = hosts;
    this.#sessions = sessions;
    hosts.on('undrained', (host) => this.#stopDrain(host));
    hosts.on('removed', (host) => this.#stopDrain(host));
  }

  /** Moves what is left on a host that drains once `deadline` ms have passed. */
  drain(host: Host, deadline: number | undefined, movesPerSecond: number): void {
    this.#stopDrain(host);
    const stopping = new AbortController();
    const movesAt = deadline === undefined ? undefined : performance.now() + deadline;
    this.#drains.set(host, { movesPerSecond, movesAt, stopping });
    if (deadline !== undefined) void this.#empty(host, deadline, movesPerSecond, stopping.signal);
  }

  drainOf(host: Host): DrainStatus | undefined {
    const drain = this.#drains.get(host);
    if (!drain) return undefined;
    const { movesAt, movesPerSecond } = drain;
    const movesIn = movesAt === undefined ? undefined : Math.max(0, (movesAt - performance.now()) / 1000);
    return { movesIn, movesPerSecond };
  }

  /** @throws Error when one is under way. */
  rebalance(perMinute: number): void {
    if (this.#rebalance) throw new Error('a rebalance is under way');
    const stopping = this.#rebalance = new AbortController();
    this.#moved = 0;
    this.#total = this.#balance().total;
    void this.#level(perMinute, stopping.signal).finally(() => {
      this.#hosts.levelling = false;
      this.#rebalance = undefined;
      this.emit('rebalanced', this.#moved);
    });
  }

  stopRebalance(): void {
    this.#rebalance?.abort();
  }

  get status(): RebalanceStatus {
    const { spread, excess } = this.#balance();
    return { running: this.#rebalance !== undefined, moved: this.#moved, toMove: Math.round(excess), spread };
  }

  /** The hosts are not within 10 % of their shares. */
  get isUneven(): boolean {
    return this.#balance().isUneven;
  }

  stop(): void {
    this.stopRebalance();
    for (const host of this.#drains.keys()) this.#stopDrain(host);
  }

  #stopDrain(host: Host): void {
    this.#drains.get(host)?.stopping.abort();
    this.#drains.delete(host);
  }

  async #empty(host: Host, deadline: number, perSecond: number, signal: AbortSignal): Promise<void> {
    if (!await slept(deadline, signal)) return;
    for (const pace = new Pace(perSecond); await slept(host.empty ? IDLE_TICK : pace.pause(), signal);) {
      if (!host.empty) await this.#sessions.endSome(host.name, pace.take());
    }
  }

  async #level(perMinute: number, signal: AbortSignal): Promise<void> {
    const { isUneven, excess } = this.#balance();
    if (!isUneven) return;
    this.emit('rebalancing');
    this.#hosts.levelling = true;
    // Where clients do not come back as they should, it is not to go on for ever.
    const most = 2 * Math.ceil(excess) + 10;
    for (const pace = new Pace(perMinute / 60); await slept(pace.pause(), signal);) {
      if (!this.#balance().isUneven || this.#moved >= most) return;
      for (let left = pace.take(); left > 0 && !signal.aborted; left -= 1) await this.#moveOne();
    }
  }

  async #moveOne(): Promise<void> {
    const now = performance.now();
    this.#recent = this.#recent.filter(({ at }) => now - at < RETURN_TIME);
    const recent = this.#recent.reduce((sum, { count }) => sum + count, 0);
    // Those that are on their way belong to somebody's share too.
    const returning = Math.min(recent, Math.max(0, this.#total - this.#balance().total));
    const { fullest } = this.#balance(returning);
    if (!fullest) return;
    const { length: count } = await this.#sessions.endSome(fullest.name, 1);
    this.#moved += count;
    if (count > 0) this.#recent.push({ count, at: now });
  }

  /** How the sessions are spread over the hosts that take new ones, with those that are on their way to them. */
  #balance(returning = 0): Balance {
    const hosts = this.#hosts.all.filter(({ open }) => open);
    const weight = hosts.reduce((sum, host) => sum + host.weight, 0);
    const total = hosts.reduce((sum, { sessions }) => sum + sessions, returning);
    const surpluses = hosts.map((host) => {
      const share = total * host.weight / weight;
      return { host, share, surplus: host.sessions - share };
    }).sort((a, b) => a.surplus - b.surplus);
    let [spread, excess, isUneven, left] = [0, 0, false, returning];
    for (const each of surpluses) {
      // The emptiest get those that are on their way.
      const coming = Math.min(left, Math.max(0, -each.surplus));
      left -= coming;
      each.surplus += coming;
      const { share, surplus } = each;
      spread = Math.max(spread, share > 0 ? Math.abs(surplus) / share : 0);
      excess += Math.max(0, surplus);
      // Nobody has half a session: of few, one more or less is even.
      if (Math.abs(surplus) > Math.max(1, share * TOLERANCE)) isUneven = true;
    }
    return { total, spread, excess, isUneven, fullest: isUneven ? surpluses.at(-1)?.host : undefined };
  }
}

/** Spreads what is done a number of times a second about evenly, with pauses that differ at random. */
class Pace {
  readonly #perSecond: number;
  #due = 0;
  #at = performance.now();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** For how long to pause, in ms. */
  pause(): number {
    return Math.max(TICK, 1000 / this.#perSecond) * (0.5 + Math.random());
  }

  /** How many are due by now. */
  take(): number {
    const now = performance.now();
    // After a pause in which there was nothing to do it is not made up for.
    this.#due += Math.min((now - this.#at) / 1000, 1.5 * Math.max(TICK / 1000, 1 / this.#perSecond)) * this.#perSecond;
    this.#at = now;
    const whole = Math.floor(this.#due);
    this.#due -= whole;
    return whole;
  }
}

function slept(ms: number, signal: AbortSignal): Promise<boolean> {
  return sleep(ms, true, { signal, ref: false }).catch(() => false);
}
