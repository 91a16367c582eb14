import { Discovery, type DiscoveryOptions } from './discovery';
import { HealthChecker, type HealthOptions, type HealthSource } from './health-checker';
import type { Hosts } from './hosts';

/** The health checks of the hosts and, where they follow DNS, their discovery, which the first round waits for. */
export function createHealthSource(
  hosts: Hosts, options: HealthOptions & DiscoveryOptions, onDiscoveryError: (error: Error) => void,
): HealthSource {
  const checker = new HealthChecker(hosts, options);
  const { discover, keyExpiry } = options;
  if (!discover) return checker;
  const discovery = new Discovery(discover, keyExpiry, hosts, onDiscoveryError);
  return {
    get ready() {
      return checker.ready;
    },
    start: () => discovery.start().then(() => checker.start()),
    stop: () => {
      discovery.stop();
      checker.stop();
    },
  };
}
