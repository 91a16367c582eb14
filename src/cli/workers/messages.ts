import type { AddressInfo } from 'node:net';
import type { DownReason, HostStatus } from '../../hosts/host';
import type { Totals } from '../../base/totals';
import type { Fields } from '../log/log';
import type { Question } from './questions';
import type { Settings, TlsPair } from '../settings/settings';

/** What a worker has to know of a host. */
export type HostEntry = Pick<HostStatus, 'host' | 'state' | 'downReason' | 'draining' | 'weight'>;

/** All hosts, as they are from now on. */
export interface HostList {
  readonly entries: readonly HostEntry[];
  /** Each list has a higher one than those before it. */
  readonly version: number;
  /** They follow DNS, which has not answered yet. */
  readonly undiscovered: boolean;
  /** New sessions go to the emptiest. */
  readonly levelling: boolean;
}

/** What is under way on a host in one worker. */
export interface HostLoad extends Pick<HostStatus, 'host' | 'sessions' | 'tunnels' | 'requests' | 'polls'> {
  /** It has answered a request since this was last told. */
  readonly answered: boolean;
}

/** Settings as they go from one process to another. */
export type PlainSettings = Omit<Settings, 'resolved'>;

/** What the primary tells a worker. */
export type ToWorker =
  | { readonly type: 'start'; readonly settings: PlainSettings; readonly hosts: HostList }
  | { readonly type: 'hosts'; readonly hosts: HostList }
  /** It was looked for, and is one of the hosts where it was found. */
  | { readonly type: 'sought'; readonly host: string }
  | { readonly type: 'tls'; readonly pair: TlsPair }
  | { readonly type: 'ask'; readonly id: number; readonly question: Question }
  /** The access log's file may have been moved away. */
  | { readonly type: 'reopen' }
  /** Ends when it is drained. `replaced`: others go on, so nothing need be refused. */
  | { readonly type: 'close'; readonly replaced: boolean }
  /** No more connections are on their way to one that has retired. */
  | { readonly type: 'retired' };

/** What a worker tells the primary. */
export type ToPrimary =
  /** It listens for what the primary tells. */
  | { readonly type: 'here' }
  | { readonly type: 'listening'; readonly address: AddressInfo }
  /** It cannot listen, and ends. */
  | { readonly type: 'failed'; readonly reason: string }
  /** Its server has failed, and goes on. */
  | { readonly type: 'error'; readonly error: string }
  /** A line for the log. */
  | { readonly type: 'warn'; readonly event: string; readonly message: string; readonly fields: Fields | undefined }
  /** Its store fails, with this error, or works again. */
  | { readonly type: 'store'; readonly error: string | undefined }
  /** It could make no connection to a host, and has marked it down. */
  | { readonly type: 'unreached'; readonly host: string; readonly reason: DownReason }
  /** A session is bound to a host that is none of those that it was told of. */
  | { readonly type: 'seek'; readonly host: string }
  /** `version`: of the hosts that it has. `requests`: that have come since this was last told. */
  | {
    readonly type: 'load'; readonly hosts: readonly HostLoad[]; readonly version: number; readonly requests: number;
  }
  /** `undefined`: it can't tell. */
  | { readonly type: 'answer'; readonly id: number; readonly answer: unknown }
  /** It ends, and this is what it has counted. */
  | { readonly type: 'totals'; readonly totals: Totals }
  /** It takes no more connections. */
  | { readonly type: 'retiring' };

/**
 * The descriptor at which a worker finds the command's standard output. It is none up to 2: writes to what a child is
 * given there would wait for its reader, in the primary too, and a reader that stalls would stall them all.
 */
export const WORKER_OUTPUT = 4;

/** How often a worker tells its load, in ms. */
export const LOAD_INTERVAL = 250;
