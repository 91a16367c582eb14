import type { HealthSource } from './hosts/health-checker';
import type { Hosts } from './hosts/hosts';
import { DRAIN_END, type UnderWay } from './forwarding/under-way';
import type { ResolvedOptions } from './options/options';
import type { Operations } from './operating/operations';
import type { Admission } from './routing/admission';
import type { OwnProcess } from './operating/own-process';

/** How long `Proxy.close()` promises to take at most besides `shutdownDelay` and `drainTimeout`, in ms. */
export const CLOSING_TIME = 1000;

/** How long it waits, after the drain, for store, server and admin server to close, in ms. 50 are to spare. */
export const CLOSE_TIMEOUT = CLOSING_TIME - DRAIN_END - 50;

/** The parts of a proxy that the command needs. */
export interface ProxyParts {
  readonly operations: Operations;
  readonly hosts: Hosts;
  /** The operator's access to this process. */
  readonly own: OwnProcess;
  readonly admission: Admission;
  /** The requests and WebSockets in progress. */
  readonly underWay: UnderWay;
}

/** Hooks into a proxy's construction, for the command, which runs several proxies as one. */
export interface ProxyInternals {
  /** Creates the proxy's health source, which replaces its own health checks and DNS lookups. */
  healthSource?: (hosts: Hosts, options: ResolvedOptions) => HealthSource;
  /** The option `server` is not a user's: the proxy closes it as one that it has created. */
  ownsServer?: boolean;
}
