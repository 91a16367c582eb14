import type { HealthSource } from './hosts/health-checker';
import type { Hosts } from './hosts/hosts';
import type { ResolvedOptions } from './options/options';
import type { OwnProcess } from './operating/own-process';

/** What a proxy is made of, as far as its makers need it. */
export interface ProxyParts {
  readonly hosts: Hosts;
  readonly health: HealthSource;
  /** This process, as one that is operated. */
  readonly own: OwnProcess;
}

/** What parts a proxy is made of, for programs that run several as one. */
export interface ProxyInternals {
  /** Makes what tells the proxy which hosts there are and are up, in the place of health checks and DNS of its own. */
  healthSource?: (hosts: Hosts, options: ResolvedOptions) => HealthSource;
  /** Is given what the proxy is made of, before it does anything. */
  parts?: (parts: ProxyParts) => void;
}
