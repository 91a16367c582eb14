import type { EventEmitter } from 'node:events';
import { isObject, MAX_DELAY, numberOf, wrong } from '../base/checks';
import type { Absence } from '../base/refusals';
import { hostOf, weightOf, type HostOptions } from '../hosts/host-options';
import type { Hosts } from '../hosts/hosts';
import { Moves } from './moves';
import { movesPerMinuteOf, movesPerSecondOf } from './pace';
import type {
  Change, DrainOptions, EndOutcome, HostReport, Operator, ProcessMetrics, Readiness, RebalanceOptions,
  SessionReport, SessionSource, Summary,
} from './operator';
import { watchChanges } from './changes';
import type { ProxyEvents } from './proxy-events';
import { announce } from '../base/announce';
import type { Totals } from '../base/totals';

/** The processes that an operator controls: this one, or all workers. */
export interface Operated {
  readonly sessions: SessionSource;
  /** The number of processes that serve. */
  readonly workers: number;
  readonly storeFails: boolean;
  /** Whether the processes can serve, regardless of the hosts. */
  readonly readiness: Readiness;
  totals(): Promise<Totals>;
  processMetrics(): Promise<readonly ProcessMetrics[]>;
}

export interface OperationsOptions {
  /** Starts a rebalance at this rate whenever a host comes up or is undrained. */
  readonly rebalance: { readonly perMinute: number } | undefined;
}

/** The operations on a running proxy. */
export class Operations implements Operator {
  readonly #hosts: Hosts;
  readonly #operated: Operated;
  readonly #moves: Moves;
  readonly #events: EventEmitter<ProxyEvents>;
  readonly #isChecked: () => boolean;
  readonly #since = Date.now();
  readonly #listeners = new Set<(change: Change) => void>();
  #isClosing = false;

  /**
   * @param events the proxy's events, which are reported as changes.
   * @param isChecked tells whether the first health checks have finished.
   */
  constructor(
    hosts: Hosts, operated: Operated, { rebalance }: OperationsOptions, events: EventEmitter<ProxyEvents>,
    isChecked: () => boolean,
  ) {
    this.#hosts = hosts;
    this.#operated = operated;
    this.#events = events;
    this.#isChecked = isChecked;
    this.#moves = new Moves(hosts, operated.sessions);
    this.#moves.on('rebalancing', () => announce(events, 'rebalancing'));
    this.#moves.on('rebalanced', (moved) => announce(events, 'rebalanced', moved));
    if (rebalance) this.#rebalanceWhenHostsCome(rebalance.perMinute);
    watchChanges(events, (type, message, { host }) => this.#tell({ time: new Date(), type, host, message }));
  }

  get hosts(): readonly HostReport[] {
    return this.#hosts.all.map((host) => ({ ...host.status, drain: this.#moves.drainOf(host) }));
  }

  get summary(): Summary {
    const { workers, storeFails } = this.#operated;
    const { status: rebalance } = this.#moves;
    return { since: this.#since, workers, storeFails, readiness: this.readiness, rebalance };
  }

  /** Whether the proxy takes new sessions: the one answer for the admin server, metrics and `healthPath`. */
  get readiness(): Readiness {
    if (this.#isClosing) return { ready: false, reason: 'the proxy is closing' };
    if (!this.#operated.readiness.ready) return this.#operated.readiness;
    if (!this.#isChecked()) return { ready: false, reason: 'the first health checks have not finished' };
    if (this.#hosts.open) return { ready: true };
    const isUp = this.#hosts.all.some(({ up }) => up);
    return { ready: false, reason: isUp ? 'all hosts that are up are draining or have weight 0' : 'no host is up' };
  }

  totals(): Promise<Totals> {
    return this.#operated.totals();
  }

  processMetrics(): Promise<readonly ProcessMetrics[]> {
    return this.#operated.processMetrics();
  }

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  addHost(host: string, options: Omit<HostOptions, 'host'> = {}): void {
    check(options, 'weight');
    this.#hosts.add(hostOf('host', host, weightOf('weight', options.weight ?? 1)));
  }

  removeHost(host: string): void {
    this.#hosts.remove(host);
  }

  drainHost(name: string, options: DrainOptions = {}): void {
    const host = this.#hosts.named(name);
    check(options, 'deadline', 'movesPerSecond');
    const { deadline, movesPerSecond = 5 } = options;
    if (deadline !== undefined) numberOf('deadline', deadline, 0, MAX_DELAY);
    movesPerSecondOf('movesPerSecond', movesPerSecond);
    const isNew = !host.draining;
    this.#hosts.drain(name);
    // Draining again without a deadline keeps an earlier one.
    if (isNew || deadline !== undefined) this.#moves.drain(host, deadline, movesPerSecond);
  }

  undrainHost(host: string): void {
    this.#hosts.undrain(host);
  }

  setWeight(host: string, weight: number): void {
    this.#hosts.setWeight(host, weightOf('weight', weight));
  }

  async findSession(sid: string): Promise<SessionReport | Absence> {
    return this.#operated.sessions.find(checkedSid(sid));
  }

  async endSession(sid: string): Promise<EndOutcome> {
    return this.#operated.sessions.end(checkedSid(sid));
  }

  rebalance(options: RebalanceOptions = {}): void {
    check(options, 'perMinute');
    const { perMinute = 60 } = options;
    this.#moves.rebalance(movesPerMinuteOf('perMinute', perMinute));
  }

  stopRebalance(): void {
    this.#moves.stopRebalance();
  }

  /** Called when the proxy begins to close. Stops all moves. */
  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#moves.stop();
    announce(this.#events, 'closing');
  }

  #rebalanceWhenHostsCome(perMinute: number): void {
    const start = (): void => {
      const { isRunning, isUneven } = this.#moves;
      if (!this.#isClosing && !isRunning && isUneven) this.#moves.rebalance(perMinute);
    };
    this.#events.on('up', start).on('undrained', start);
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** @throws TypeError if `options` is not an object, or has a name that is not listed. */
function check(options: unknown, ...names: string[]): void {
  if (!isObject(options)) throw wrong('options', 'be an object', options);
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw new TypeError(`'${name}' is not an option; expected ${names.join(', ')}`);
  }
}

function checkedSid(sid: unknown): string {
  if (typeof sid !== 'string') throw wrong('sid', 'be a string', sid);
  return sid;
}
