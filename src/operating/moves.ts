import { EventEmitter } from 'node:events';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import type { DrainStatus, RebalanceStatus, SessionSource } from './operator';
import { pause } from '../base/pause';
import { Pace } from './pace';

/** How often to check a drained host for sessions that arrive from other proxies, in ms. */
const IDLE_TICK = 1000;

/** How long a moved client may take to reconnect, in ms: twice the longest first delay of Socket.IO's client. */
const RETURN_TIME = 3000;

/** How long the hosts' counts may lag behind a move, in ms. */
const COUNT_TIME = 500;

/** How much later this proxy learns what other members of the fleet count, in ms: two of their beats. */
const FLEET_LAG = 3000;

/** The tolerated deviation of a host's number of sessions from its share, as a part of that share. */
const TOLERANCE = 0.1;

export interface MovesEvents {
  /** A rebalance has begun. */
  rebalancing: [];
  /** A rebalance has ended after moving `moved` sessions. */
  rebalanced: [moved: number];
}

/** A drain's options, with defaults. */
export interface Draining {
  /** After this time, sessions that are left are moved. In ms; `undefined` for never. */
  readonly deadline: number | undefined;
  /** For all members of the fleet together. */
  readonly movesPerSecond: number;
  /** Only this proxy drains the host, and so moves its sessions at that rate by itself. */
  readonly alone: boolean;
}

interface Drain {
  readonly movesPerSecond: number;
  /** When to start moving the host's sessions, by `performance.now()`; `undefined` for never. */
  readonly movesAt: number | undefined;
  readonly stopping: AbortController;
}

/**
 * Moves sessions: ends them at a steady rate, so that their clients reconnect to other hosts. Each proxy moves only the
 * sessions that it knows. In a fleet, all go by what all know, and each moves its part: together they keep the rate.
 */
export class Moves extends EventEmitter<MovesEvents> {
  readonly #hosts: Hosts;
  readonly #sessions: SessionSource;
  readonly #drains = new Map<Host, Drain>();
  #rebalance: { readonly perMinute: number; readonly stopping: AbortController } | undefined;
  #moved = 0;
  /** The attempts that are left: a rebalance must end even if clients do not come back. */
  #attemptsLeft = 0;
  #isStopped = false;
  /** Recent moves: when (by `performance.now()`), how many, and the clients before, those on their way included. */
  #recent: { at: number; count: number; before: number }[] = [];

  constructor(hosts: Hosts, sessions: SessionSource) {
    super();
    this.#hosts = hosts;
    this.#sessions = sessions;
    hosts.on('removed', (host) => this.#stopDrain(host));
    hosts.on('undrained', (host) => {
      this.#stopDrain(host);
      this.#resetAttempts();
    });
    hosts.on('up', () => this.#resetAttempts());
  }

  /** Moves the sessions that are left on a draining host after its deadline. */
  drain(host: Host, draining: Draining): void {
    this.#stopDrain(host);
    const stopping = new AbortController();
    const { deadline, movesPerSecond } = draining;
    const movesAt = deadline === undefined ? undefined : performance.now() + deadline;
    this.#drains.set(host, { movesPerSecond, movesAt, stopping });
    if (deadline !== undefined && !this.#isStopped) void this.#empty(host, deadline, draining, stopping.signal);
  }

  drainOf(host: Host): DrainStatus | undefined {
    const drain = this.#drains.get(host);
    if (!drain) return undefined;
    const { movesAt, movesPerSecond } = drain;
    const movesIn = movesAt === undefined ? undefined : Math.max(0, (movesAt - performance.now()) / 1000);
    return { movesIn, movesPerSecond };
  }

  /**
   * @param alone the other members of the fleet take no part.
   * @throws Error if a rebalance is already running, and after `stop`.
   */
  rebalance(perMinute: number, alone = false): void {
    if (this.#isStopped) throw new Error('the proxy is closing');
    if (this.#rebalance) throw new Error('a rebalance is under way');
    const stopping = new AbortController();
    this.#rebalance = { perMinute, stopping };
    this.#moved = 0;
    this.#resetAttempts();
    void this.#level(perMinute, alone, stopping.signal).finally(() => {
      this.#hosts.levelling = false;
      this.#rebalance = undefined;
      this.emit('rebalanced', this.#moved);
    });
  }

  stopRebalance(): void {
    this.#rebalance?.stopping.abort();
  }

  get status(): RebalanceStatus {
    const { spread, excess, isUneven } = this.#balance();
    return { running: this.isRunning, moved: this.#moved, toMove: isUneven ? Math.round(excess) : 0, spread };
  }

  /** A rebalance is running. */
  get isRunning(): boolean {
    return this.perMinute !== undefined;
  }

  /** How many a minute the rebalance that is running moves; `undefined` if none is. */
  get perMinute(): number | undefined {
    return this.#rebalance?.perMinute;
  }

  /** The hosts are not within 10 % of their shares. */
  get isUneven(): boolean {
    return this.#balance().isUneven;
  }

  /** Stops all moves for good. */
  stop(): void {
    this.#isStopped = true;
    this.stopRebalance();
    for (const host of this.#drains.keys()) this.#stopDrain(host);
  }

  #stopDrain(host: Host): void {
    this.#drains.get(host)?.stopping.abort();
    this.#drains.delete(host);
  }

  async #empty(host: Host, deadline: number, { movesPerSecond, alone }: Draining, signal: AbortSignal): Promise<void> {
    if (!await pause(deadline, signal)) return;
    for (const pace = new Pace(movesPerSecond); await pause(host.empty ? IDLE_TICK : pace.pause(), signal);) {
      if (!host.empty) await this.#sessions.endSome(host.name, pace.take(alone ? 1 : host.part));
    }
  }

  async #level(perMinute: number, alone: boolean, signal: AbortSignal): Promise<void> {
    if (!this.isUneven) return;
    this.emit('rebalancing');
    this.#hosts.levelling = true;
    // Hosts may look even while moved clients are away, and returning clients must still go to the emptiest host.
    const isDone = (): boolean => signal.aborted || this.#attemptsLeft <= 0 || (!this.isUneven && this.#away === 0);
    for (const pace = new Pace(perMinute / 60); !isDone() && await pause(pace.pause(), signal);) {
      const part = alone ? 1 : this.#fullest()?.part ?? 1;
      for (let left = pace.take(part); left > 0 && !isDone(); left -= 1) await this.#moveOne();
    }
  }

  #resetAttempts(): void {
    this.#attemptsLeft = 2 * Math.ceil(this.#balance().excess) + 10;
  }

  async #moveOne(): Promise<void> {
    const host = this.isUneven ? this.#fullest() : undefined;
    if (!host) return;
    this.#attemptsLeft -= 1;
    const [at, before] = [performance.now(), this.#total + this.#missing];
    const { length: count } = await this.#sessions.endSome(host.name, 1);
    this.#moved += count;
    if (count > 0) this.#recent.push({ at, count, before });
  }

  /** An estimate of how many moved clients have not come back yet. */
  get #away(): number {
    const now = performance.now();
    const lag = COUNT_TIME + (this.#hosts.shared ? FLEET_LAG : 0);
    const uncounted = this.#recent.reduce((sum, { at, count }) => now - at < lag ? sum + count : sum, 0);
    return Math.max(uncounted, this.#missing);
  }

  /** How many sessions are missing because of recent moves. */
  get #missing(): number {
    const now = performance.now();
    const time = RETURN_TIME + (this.#hosts.shared ? FLEET_LAG : 0);
    this.#recent = this.#recent.filter(({ at }) => now - at < time);
    const most = this.#recent.reduce((sum, { count }) => sum + count, 0);
    const missing = Math.max(0, ...this.#recent.map(({ before }) => before)) - this.#total;
    return Math.max(0, Math.min(most, missing));
  }

  /**
   * The host to move a session from, by current shares, which are smaller during a slow start. `undefined` if a move
   * would not make the hosts more even, given that clients on their way go to the emptiest host.
   */
  #fullest(): Host | undefined {
    const shares = this.#shares(({ share }) => share).sort((a, b) => b.surplus - a.surplus);
    const [fullest, emptiest] = [shares[0], shares.at(-1)];
    if (!fullest || !emptiest) return undefined;
    return fullest.surplus - emptiest.surplus - this.#away > 1 ? fullest.host : undefined;
  }

  /** The deviation of the hosts from their shares by weight. */
  #balance(): { spread: number; excess: number; isUneven: boolean } {
    let [spread, excess, isUneven] = [0, 0, false];
    for (const { share, surplus } of this.#shares(({ weight }) => weight)) {
      spread = Math.max(spread, share > 0 ? Math.abs(surplus) / share : 0);
      excess += Math.max(0, surplus);
      // With few sessions per host, a deviation of one session is unavoidable.
      if (Math.abs(surplus) > Math.max(1, share * TOLERANCE)) isUneven = true;
    }
    return { spread, excess, isUneven };
  }

  /** For each host that takes new sessions: its share of their sessions, and how many it has above that share. */
  #shares(partOf: (host: Host) => number): { host: Host; share: number; surplus: number }[] {
    const hosts = this.#open;
    const whole = hosts.reduce((sum, host) => sum + partOf(host), 0);
    const total = this.#total;
    return hosts.map((host) => {
      const share = total * partOf(host) / whole;
      return { host, share, surplus: host.allSessions - share };
    });
  }

  get #open(): readonly Host[] {
    return this.#hosts.all.filter(({ open }) => open);
  }

  get #total(): number {
    return this.#open.reduce((sum, { allSessions }) => sum + allSessions, 0);
  }
}
