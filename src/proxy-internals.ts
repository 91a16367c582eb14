import type { HealthSource } from './health-checker';
import type { Hosts } from './hosts';
import type { Operated } from './operations';
import type { ResolvedOptions } from './options';
import type { OwnProcess } from './own-process';

/** What parts a proxy is made of, for programs that run several as one. @internal */
export interface ProxyInternals {
  /** Makes what tells the proxy which hosts there are and are up, in the place of health checks and DNS of its own. */
  healthSource?: (hosts: Hosts, options: ResolvedOptions) => HealthSource;
  /** What is seen and done by those who operate it, where that is not this process alone. */
  operated?: Operated;
  /** Is given this process as one that is operated. */
  own?: (own: OwnProcess) => void;
}
