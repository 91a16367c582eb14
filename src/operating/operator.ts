import type { Absence } from '../base/refusals';
import type { HostStatus } from '../hosts/host';
import type { Totals } from '../base/totals';
import type { FleetCounts, FleetReport, Remains } from './fleet-shown';

/** A host, as an operator sees it. */
export interface HostReport extends HostStatus {
  /** The host's drain; `undefined` while the host is not draining. */
  readonly drain: DrainStatus | undefined;
  /**
   * The host is draining, and nothing is left there. If the fleet drains the host: at no member, twice in a row, and no
   * member has vanished whose sessions may go on.
   */
  readonly drained: boolean;
  /** What all members of the fleet have there; `undefined` without a fleet. */
  readonly fleet: FleetCounts | undefined;
  /** Whom its drain waits for; `undefined` without a fleet, and while the host is not draining, or is drained. */
  readonly remains: Remains | undefined;
}

/** The drain of a host. */
export interface DrainStatus {
  /** Seconds until the proxy starts to move the host's sessions; 0 from then on, `undefined` without a deadline. */
  readonly movesIn: number | undefined;
  /** How many sessions the proxy then moves per second. */
  readonly movesPerSecond: number;
}

/** Whom a change of hosts concerns: all members of the fleet, if there is one, or this proxy alone. */
export type Scope = 'fleet' | 'proxy';

/** Options of changes of hosts. */
export interface ScopeOptions {
  /** Whom the change concerns. Without the option `fleet`, it always concerns this proxy alone. @default 'fleet' */
  scope?: Scope | undefined;
}

/** Options of `drainHost`. */
export interface DrainOptions extends ScopeOptions {
  /**
   * After this time the proxy moves the remaining sessions: it ends them, and their clients reconnect to other hosts.
   * Without a deadline, sessions stay until they end by themselves. In ms, from 0. @default undefined
   */
  deadline?: number | undefined;
  /**
   * How many sessions to move per second after the deadline, about evenly: all members of the fleet together. From
   * 0.001 to 10000. @default 5
   */
  movesPerSecond?: number | undefined;
}

/** Options of `rebalance`. In a fleet, all members take part unless the scope is `'proxy'`. */
export interface RebalanceOptions extends ScopeOptions {
  /** How many sessions to move per minute, about evenly. From 0.01 to 600000. @default 60 */
  perMinute?: number | undefined;
}

/** Options of a rollout, which replaces hosts. */
export interface RolloutOptions {
  /**
   * The hosts that there are to be, as in the option `hosts`: those that are missing are added, and the others are
   * replaced. Without it, all hosts are replaced by those that come later, for example from DNS. @default undefined
   */
  hosts?: readonly (string | { host: string; weight?: number | undefined })[] | undefined;
  /** How many new hosts have to be up at all members before the old ones drain. @default all of `hosts`, or 1 */
  atLeast?: number | undefined;
  /** As of `drainHost`, counted from the time on when the old hosts drain. @default undefined */
  deadline?: number | undefined;
  /** As of `drainHost`. @default 5 */
  movesPerSecond?: number | undefined;
}

/** The state of a rollout. */
export interface RolloutStatus {
  /** The hosts that are replaced, and still there. */
  readonly old: readonly string[];
  /** The hosts that replace them, as far as they are there. */
  readonly new: readonly string[];
  /** How many new hosts have to be up at all members before the old ones drain. */
  readonly atLeast: number;
  /** The new hosts that are not up at all members yet, or were removed. */
  readonly waiting: readonly string[];
  /** The same hosts, each with the members that it waits for. */
  readonly waitingFor: readonly RolloutWait[];
  /** Whether the old hosts drain. */
  readonly draining: boolean;
}

/** What a rollout waits for. */
export interface RolloutWait {
  /** A new host. */
  readonly host: string;
  /** The ids of the members that do not see it up, or at which it takes no new sessions; none without a fleet. */
  readonly members: readonly string[];
}

/** The progress of a rebalance. */
export interface RebalanceStatus {
  /** A rebalance is running. */
  readonly running: boolean;
  /** How many sessions the last rebalance has moved. */
  readonly moved: number;
  /** An estimate of how many sessions a rebalance still has to move. */
  readonly toMove: number;
  /** The greatest deviation of a host's number of sessions from its share, as a part of that share: 0.1 is 10 %. */
  readonly spread: number;
}

/** A session's host, and what this proxy knows of the session. */
export interface SessionReport {
  /** The session id. */
  readonly sid: string;
  /** The host's name, as in `hosts`. */
  readonly host: string;
  /** `'cache'` if this proxy remembers the session, `'store'` if only the session store does. */
  readonly from: 'cache' | 'store';
  /** The session's current transport through this proxy; `undefined` if there is none. */
  readonly transport: 'polling' | 'websocket' | undefined;
  /** How long this proxy has known the session, in seconds; `undefined` if it does not. */
  readonly age: number | undefined;
  /** Seconds until the binding expires if nothing uses it; `undefined` if the store cannot tell. */
  readonly expiresIn: number | undefined;
  /** Open requests and WebSockets of the session through this proxy; `undefined` if it does not know the session. */
  readonly open: number | undefined;
}

/**
 * The result of ending a session. `elsewhere`: its WebSocket goes through another proxy, which is no member of the
 * fleet or has not answered in time.
 */
export type EndOutcome = 'ended' | 'elsewhere' | Absence;

/** The sessions of one process, or of all workers. */
export interface SessionSource {
  /** Rejects if the store is needed and cannot be asked. */
  find(sid: string): Promise<SessionReport | Absence>;
  /** Rejects if the store or the host is needed and cannot be asked. The session then goes on. */
  end(sid: string): Promise<EndOutcome>;
  /** Ends up to `count` sessions of a host, and resolves with their sids. Never rejects. */
  endSome(host: string, count: number): Promise<readonly string[]>;
}

/** Whether the proxy can take new sessions, and if not, why. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** The state of the proxy as a whole. */
export interface Summary {
  /** When the proxy was created: ms since the epoch. */
  readonly since: number;
  /** The number of processes that serve. */
  readonly workers: number;
  readonly storeFails: boolean;
  readonly readiness: Readiness;
  readonly rebalance: RebalanceStatus;
}

/** An event, for the operator. */
export interface Change {
  readonly time: Date;
  readonly type: 'up' | 'down' | 'added' | 'removed' | 'drained' | 'draining' | 'undrained' | 'suspicious' |
    'undiscovered' | 'joined' | 'left' | 'disagree' | 'degraded' | 'recovered' | 'duplicate' | 'rebalancing' |
    'rebalanced' | 'rollout' | 'closing';
  readonly host: string | undefined;
  /** The id of the member of the fleet that it is about; `undefined` if it is about none. */
  readonly member: string | undefined;
  /** One line, for people. */
  readonly message: string;
}

/** The default metrics of one process, as JSON of `prom-client`. */
export interface ProcessMetrics {
  /** The worker's number, from 1; `primary` for the process that manages the workers. */
  readonly worker: string;
  readonly metrics: readonly object[];
}

/** The operations of the admin server, on one process or on all workers. */
export interface Operator {
  readonly hosts: readonly HostReport[];
  readonly summary: Summary;
  readonly fleet: FleetReport;
  /** Asks Redis once more what the other members have. @returns whether that is known now. Never rejects. */
  refresh(): Promise<boolean>;
  /** Without a fleet there is nothing elsewhere. */
  remainsOf(host: string): Remains;
  /**
   * A copy of the totals so far. Resolves within 2 s, without the workers that have not answered by then.
   */
  totals(): Promise<Totals>;
  /** The metrics of every process. */
  processMetrics(): Promise<readonly ProcessMetrics[]>;
  /** Calls `listener` on each change, until the returned function is called. */
  onChange(listener: (change: Change) => void): () => void;

  /** @throws TypeError if the host is malformed or already exists, or if the weight is invalid. */
  addHost(host: string, options?: { weight?: number } & ScopeOptions): void;
  /** @throws Error if the host is unknown, as do all methods below that take a host. */
  removeHost(host: string, options?: ScopeOptions): void;
  drainHost(host: string, options?: DrainOptions): void;
  undrainHost(host: string, options?: ScopeOptions): void;
  setWeight(host: string, weight: number, options?: ScopeOptions): void;

  /** Rejects if the store is needed and cannot be asked. */
  findSession(sid: string): Promise<SessionReport | Absence>;
  /** Rejects if the store or the host is needed and cannot be asked. */
  endSession(sid: string): Promise<EndOutcome>;
  /** @throws Error if a rebalance is already running. */
  rebalance(options?: RebalanceOptions): void;
  stopRebalance(options?: ScopeOptions): void;

  /** `undefined`: there is none. */
  readonly rollout: RolloutStatus | undefined;
  /** Begins a rollout for all members, instead of one that is under way. @throws TypeError if an option is invalid. */
  startRollout(options: RolloutOptions): void;
  /** Ends the rollout. Old hosts that are left get new sessions again. */
  stopRollout(): void;
}
