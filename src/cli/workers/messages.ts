import type { AddressInfo } from 'node:net';
import type { DownReason, HostStatus } from '../../hosts/host';
import type { Totals } from '../../base/totals';
import type { FailureKind } from '../../sessions/outage';
import type { SidSample } from '../../sessions/sid-sample';
import type { Fields } from '../log/log';
import type { Question } from './questions';
import type { Settings, TlsPair } from '../settings/settings';

/** The state of a host, for the workers. */
export interface HostEntry
  extends Pick<HostStatus, 'host' | 'state' | 'downReason' | 'downText' | 'draining' | 'weight'> {
  /** The address that all connections go to; `undefined` until one has taken a connection. */
  readonly address: string | undefined;
}

/** All hosts, for the workers to apply. */
export interface HostList {
  readonly entries: readonly HostEntry[];
  /** Rises with each list. */
  readonly version: number;
  /** The hosts come from DNS, which has not answered yet. */
  readonly awaitsDiscovery: boolean;
  /** New sessions go to the emptiest host. */
  readonly levelling: boolean;
}

/** How many sessions other workers and other members of the fleet know that the worker does not, by host. */
export type SessionsElsewhere = Readonly<Record<string, number>>;

/** The load of a host in one worker. */
export interface HostLoad extends Pick<HostStatus, 'host' | 'sessions' | 'tunnels' | 'requests' | 'polls'> {
  /** The host has answered a request since the last report. */
  readonly answered: boolean;
  /** As of `Host`. */
  readonly bindingLife: number;
  /** And one of its answers was not an error of its own. */
  readonly served: boolean;
}

/** The handshakes of a worker, where their rate is limited. */
export interface HandshakeLoad {
  /** How many have come since the last report. */
  readonly came: number;
  /** How many wait. */
  readonly queued: number;
}

/** Settings that can be sent to another process. */
export type PlainSettings = Omit<Settings, 'resolved'>;

/** Messages from the primary to a worker. */
export type ToWorker =
  | { readonly type: 'start'; readonly settings: PlainSettings; readonly hosts: HostList }
  | { readonly type: 'hosts'; readonly hosts: HostList }
  /** How many handshakes a second to admit from now on. */
  | { readonly type: 'rate'; readonly rate: number }
  | { readonly type: 'elsewhere'; readonly sessions: SessionsElsewhere }
  /** The search for a host has ended. If it was found, it is one of the hosts by now. */
  | { readonly type: 'sought'; readonly host: string }
  | { readonly type: 'tls'; readonly pair: TlsPair }
  | { readonly type: 'ask'; readonly id: number; readonly question: Question }
  /** Reopen the access log, whose file may have been rotated. */
  | { readonly type: 'reopen' }
  /** Drain and end. `replaced`: other workers go on, so nothing need be refused. */
  | { readonly type: 'close'; readonly replaced: boolean }
  /** No more connections are on their way to the retiring worker. */
  | { readonly type: 'retired' };

/** Why a worker's store fails, as the log says it. */
export interface StoreFailure {
  readonly error: string;
  readonly kind: FailureKind;
}

/** Messages from a worker to the primary: for its `Member` there, for `Primary`, or for both, `Member` first. */
export type ToPrimary =
  /** The worker listens for messages. For `Member`, then `Primary`. */
  | { readonly type: 'here' }
  /** For `Member`. */
  | { readonly type: 'listening'; readonly address: AddressInfo }
  /** The worker cannot listen and ends. For `Member`. */
  | { readonly type: 'failed'; readonly reason: string }
  /** The worker's server has failed and goes on. For `Primary`. */
  | { readonly type: 'error'; readonly error: string }
  /** A line for the log. For `Primary`. */
  | { readonly type: 'warn'; readonly event: string; readonly message: string; readonly fields: Fields | undefined }
  /** The worker's store fails; `undefined`: it works again. For `Member`, then `Primary`. */
  | { readonly type: 'store'; readonly failure: StoreFailure | undefined }
  /** For `Primary`. */
  | { readonly type: 'duplicate'; readonly sid: string; readonly host: string; readonly otherHost: string }
  /** The worker could not connect to a host and has marked it down. For `Primary`. */
  | { readonly type: 'unreached'; readonly host: string; readonly reason: DownReason; readonly text?: string }
  /** A session is bound to a host that the worker does not know. For `Primary`. */
  | { readonly type: 'seek'; readonly host: string }
  /** `version`: the applied host list. `requests`: the number since the last report. For `Member`, then `Primary`. */
  | {
    readonly type: 'load'; readonly hosts: readonly HostLoad[]; readonly version: number; readonly requests: number;
    readonly sample: SidSample; readonly handshakes: HandshakeLoad;
  }
  /** `undefined`: the worker cannot answer. For `Member`. */
  | { readonly type: 'answer'; readonly id: number; readonly answer: unknown }
  /** The final totals of a worker that ends. For `Primary`. */
  | { readonly type: 'totals'; readonly totals: Totals }
  /** The worker accepts no more connections. For `Member`. */
  | { readonly type: 'retiring' };

/**
 * The descriptor of the command's standard output in a worker. Above 2, since Node writes to 0 to 2 of a child
 * synchronously: a stalled reader would stall all workers and the primary.
 */
export const WORKER_OUTPUT = 4;

/** How often a worker reports its load, in ms. */
export const LOAD_INTERVAL = 250;
