import type { Absence } from '../base/errors';
import type { HostStatus } from '../hosts/host';
import type { Totals } from '../base/totals';

/** A host as those see it who operate the proxy. */
export interface HostReport extends HostStatus {
  /** How it drains; `undefined` while it does not. */
  readonly drain: DrainStatus | undefined;
}

/** How a host drains. */
export interface DrainStatus {
  /** Seconds until its sessions are moved; 0 while they are, `undefined` where no deadline was given. */
  readonly movesIn: number | undefined;
  /** How many of them are moved a second then. */
  readonly movesPerSecond: number;
}

/** How `drainHost` drains. */
export interface DrainOptions {
  /**
   * After how many ms the sessions that are left are moved: ended, so that their clients come back elsewhere. From 0.
   * Without it they may stay for as long as they live. @default undefined
   */
  deadline?: number | undefined;
  /** How many of them are moved a second, about evenly. From 0.001 to 10000. @default 5 */
  movesPerSecond?: number | undefined;
}

/** How `rebalance` moves sessions. */
export interface RebalanceOptions {
  /** How many sessions are moved a minute, about evenly. From 0.01 to 600000. @default 60 */
  perMinute?: number | undefined;
}

/** How a rebalance stands. */
export interface RebalanceStatus {
  /** It is under way. */
  readonly running: boolean;
  /** Sessions that the last one has moved. */
  readonly moved: number;
  /** Sessions that it has yet to move, or would have to, as it seems. */
  readonly toMove: number;
  /** By what part of its share a host's number of sessions differs from it, at most: 0.1 is 10 %. */
  readonly spread: number;
}

/** Where a session goes, and how that is known. */
export interface SessionReport {
  /** The session id. */
  readonly sid: string;
  /** The host's name, as it stands in `hosts`. */
  readonly host: string;
  /** Whether this proxy knows it, or only the store. */
  readonly from: 'cache' | 'store';
  /** What carries it here at the moment; `undefined` where nothing does. */
  readonly transport: 'polling' | 'websocket' | undefined;
  /** For how long it has been known here, in seconds; `undefined` where it is not. */
  readonly age: number | undefined;
  /** Until its binding expires unless it is used, in seconds; `undefined` where the store does not tell. */
  readonly expiresIn: number | undefined;
  /** How many of its requests and WebSockets are under way here; `undefined` where it is not known here. */
  readonly open: number | undefined;
}

/** What became of ending a session. `elsewhere`: its WebSocket goes through another proxy, which alone can end it. */
export type EndOutcome = 'ended' | 'elsewhere' | Absence;

/** The sessions, of one process or of all workers. */
export interface SessionSource {
  /** Rejects when the store has to be asked and can't be. */
  find(sid: string): Promise<SessionReport | Absence>;
  /** Rejects when the store or the host has to be asked and can't be: the session then goes on. */
  end(sid: string): Promise<EndOutcome>;
  /** Ends up to `count` sessions of a host, and resolves with their sids. Never rejects. */
  endSome(host: string, count: number): Promise<readonly string[]>;
}

/** Whether the proxy is to be sent new sessions, and why not. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** How the proxy is as a whole. */
export interface Summary {
  /** When it was made: ms since the epoch. */
  readonly since: number;
  /** How many processes serve. */
  readonly workers: number;
  readonly storeFails: boolean;
  readonly readiness: Readiness;
  readonly rebalance: RebalanceStatus;
}

/** Something that has happened. */
export interface Change {
  readonly time: Date;
  readonly type: 'up' | 'down' | 'added' | 'removed' | 'drained' | 'draining' | 'undrained' | 'undiscovered' |
    'degraded' | 'recovered' | 'rebalancing' | 'rebalanced' | 'closing';
  readonly host: string | undefined;
  /** One line, for people. */
  readonly message: string;
}

/** What `prom-client` knows of a process that serves, as JSON. */
export interface ProcessMetrics {
  /** Its number, from 1; `primary` for the process that keeps workers. */
  readonly worker: string;
  readonly metrics: readonly object[];
}

/** What the admin server lets people see and do, of one process or of all workers. */
export interface Operator {
  readonly hosts: readonly HostReport[];
  readonly summary: Summary;
  /**
   * What has been counted by now: the caller's, which does not go on counting. Resolves within 2 s, without the workers
   * that have not answered by then.
   */
  totals(): Promise<Totals>;
  /** What `prom-client` knows of each process that serves: its own name, and its metrics as JSON. */
  processMetrics(): Promise<readonly ProcessMetrics[]>;
  /** Calls `listener` at each change until the returned function is called. */
  onChange(listener: (change: Change) => void): () => void;

  /** @throws TypeError when it is malformed, one of the hosts already, or the weight is none. */
  addHost(host: string, options?: { weight?: number }): void;
  /** @throws Error when the host is unknown; so do all that take a host. */
  removeHost(host: string): void;
  drainHost(host: string, options?: DrainOptions): void;
  undrainHost(host: string): void;
  setWeight(host: string, weight: number): void;

  /** Rejects when the store has to be asked and can't be. */
  findSession(sid: string): Promise<SessionReport | Absence>;
  /** Rejects when the store or the host has to be asked and can't be. */
  endSession(sid: string): Promise<EndOutcome>;
  /** @throws Error when one is under way. */
  rebalance(options?: RebalanceOptions): void;
  stopRebalance(): void;
}
