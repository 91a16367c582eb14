import { EventEmitter } from 'node:events';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import type { DrainStatus, RebalanceStatus, SessionSource } from './operator';
import { pause } from '../base/pause';

/** The shortest time between two times that sessions are moved, in ms: at higher rates it is several each time. */
const TICK = 50;

/** How often a host that is drained is looked at again, in ms: sessions that another proxy knows may come to it. */
const IDLE_TICK = 1000;

/** How long a client that was moved may take to come back, in ms: twice what Socket.IO's waits at most by default. */
const RETURN_TIME = 3000;

/** How long it may take until it is seen in the hosts' counts that a session was moved, in ms. */
const COUNT_TIME = 500;

/** How far from its share a host's number of sessions may be. */
const TOLERANCE = 0.1;

export interface MovesEvents {
  /** A rebalance has begun. */
  rebalancing: [];
  /** It is over, having moved so many. */
  rebalanced: [moved: number];
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
  /** How many more times it may try to move one: where clients do not come back, it is not to go on for ever. */
  #tries = 0;
  #isStopped = false;
  /** What was moved lately, when (by `performance.now()`), and how many clients there were before, on their way too. */
  #recent: { at: number; count: number; before: number }[] = [];

  constructor(hosts: Hosts, sessions: SessionSource) {
    super();
    this.#hosts = hosts;
    this.#sessions = sessions;
    hosts.on('removed', (host) => this.#stopDrain(host));
    hosts.on('undrained', (host) => {
      this.#stopDrain(host);
      this.#allow();
    });
    hosts.on('up', () => this.#allow());
  }

  /** Moves what is left on a host that drains once `deadline` ms have passed. */
  drain(host: Host, deadline: number | undefined, movesPerSecond: number): void {
    this.#stopDrain(host);
    const stopping = new AbortController();
    const movesAt = deadline === undefined ? undefined : performance.now() + deadline;
    this.#drains.set(host, { movesPerSecond, movesAt, stopping });
    if (deadline !== undefined && !this.#isStopped) void this.#empty(host, deadline, movesPerSecond, stopping.signal);
  }

  drainOf(host: Host): DrainStatus | undefined {
    const drain = this.#drains.get(host);
    if (!drain) return undefined;
    const { movesAt, movesPerSecond } = drain;
    const movesIn = movesAt === undefined ? undefined : Math.max(0, (movesAt - performance.now()) / 1000);
    return { movesIn, movesPerSecond };
  }

  /** @throws Error when one is under way, and after `stop`. */
  rebalance(perMinute: number): void {
    if (this.#isStopped) throw new Error('the proxy is closing');
    if (this.#rebalance) throw new Error('a rebalance is under way');
    const stopping = this.#rebalance = new AbortController();
    this.#moved = 0;
    this.#allow();
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
    const { spread, excess, isUneven } = this.#balance();
    return { running: this.isRunning, moved: this.#moved, toMove: isUneven ? Math.round(excess) : 0, spread };
  }

  /** A rebalance is under way. */
  get isRunning(): boolean {
    return this.#rebalance !== undefined;
  }

  /** The hosts are not within 10 % of their shares. */
  get isUneven(): boolean {
    return this.#balance().isUneven;
  }

  /** Moves nothing any more. */
  stop(): void {
    this.#isStopped = true;
    this.stopRebalance();
    for (const host of this.#drains.keys()) this.#stopDrain(host);
  }

  #stopDrain(host: Host): void {
    this.#drains.get(host)?.stopping.abort();
    this.#drains.delete(host);
  }

  async #empty(host: Host, deadline: number, perSecond: number, signal: AbortSignal): Promise<void> {
    if (!await pause(deadline, signal)) return;
    for (const pace = new Pace(perSecond); await pause(host.empty ? IDLE_TICK : pace.pause(), signal);) {
      if (!host.empty) await this.#sessions.endSome(host.name, pace.take());
    }
  }

  async #level(perMinute: number, signal: AbortSignal): Promise<void> {
    if (!this.isUneven) return;
    this.emit('rebalancing');
    this.#hosts.levelling = true;
    // Where clients are away, hosts may only seem to be even; and till they are back they are to go to the emptiest.
    const isDone = (): boolean => signal.aborted || this.#tries <= 0 || (!this.isUneven && this.#away === 0);
    for (const pace = new Pace(perMinute / 60); await pause(pace.pause(), signal);) {
      for (let left = pace.take(); left > 0; left -= 1) {
        if (isDone()) return;
        await this.#moveOne();
      }
    }
  }

  #allow(): void {
    this.#tries = 2 * Math.ceil(this.#balance().excess) + 10;
  }

  async #moveOne(): Promise<void> {
    const host = this.isUneven ? this.#fullest() : undefined;
    if (!host) return;
    this.#tries -= 1;
    const [at, before] = [performance.now(), this.#total + this.#missing];
    const { length: count } = await this.#sessions.endSome(host.name, 1);
    this.#moved += count;
    if (count > 0) this.#recent.push({ at, count, before });
  }

  /** How many clients that were moved are on their way, as it seems. */
  get #away(): number {
    const now = performance.now();
    const uncounted = this.#recent.reduce((sum, { at, count }) => now - at < COUNT_TIME ? sum + count : sum, 0);
    return Math.max(uncounted, this.#missing);
  }

  /** How many sessions fewer there are than before, as far as that is for what was moved lately. */
  get #missing(): number {
    const now = performance.now();
    this.#recent = this.#recent.filter(({ at }) => now - at < RETURN_TIME);
    const most = this.#recent.reduce((sum, { count }) => sum + count, 0);
    const missing = Math.max(0, ...this.#recent.map(({ before }) => before)) - this.#total;
    return Math.max(0, Math.min(most, missing));
  }

  /**
   * The host to move a session from, as shares are at the moment: less during a slow start. `undefined` where it would
   * not be evener then: those that are on their way go to the emptiest host.
   */
  #fullest(): Host | undefined {
    const shares = this.#shares(({ share }) => share).sort((a, b) => b.surplus - a.surplus);
    const [fullest, emptiest] = [shares[0], shares.at(-1)];
    if (!fullest || !emptiest) return undefined;
    return fullest.surplus - emptiest.surplus - this.#away > 1 ? fullest.host : undefined;
  }

  /** How far hosts are from their shares by weight. */
  #balance(): { spread: number; excess: number; isUneven: boolean } {
    let [spread, excess, isUneven] = [0, 0, false];
    for (const { share, surplus } of this.#shares(({ weight }) => weight)) {
      spread = Math.max(spread, share > 0 ? Math.abs(surplus) / share : 0);
      excess += Math.max(0, surplus);
      // Nobody has half a session: of few, one more or less is even.
      if (Math.abs(surplus) > Math.max(1, share * TOLERANCE)) isUneven = true;
    }
    return { spread, excess, isUneven };
  }

  /** Of each host that takes new sessions, its share of those that they have, and how many more it has than that. */
  #shares(partOf: (host: Host) => number): { host: Host; share: number; surplus: number }[] {
    const hosts = this.#open;
    const whole = hosts.reduce((sum, host) => sum + partOf(host), 0);
    const total = this.#total;
    return hosts.map((host) => {
      const share = total * partOf(host) / whole;
      return { host, share, surplus: host.sessions - share };
    });
  }

  get #open(): readonly Host[] {
    return this.#hosts.all.filter(({ open }) => open);
  }

  get #total(): number {
    return this.#open.reduce((sum, { sessions }) => sum + sessions, 0);
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
