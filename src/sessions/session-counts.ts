import { UNCOUNTED, type Binding } from './binding';
import type { Hosts } from '../hosts/hosts';

/** Counts the sessions of each host that this process knows. Each counts once, however often that is said. */
export class SessionCounts {
  readonly #hosts: Hosts;

  constructor(hosts: Hosts) {
    this.#hosts = hosts;
  }

  /** Counts a session from now on, unless its host loses all. */
  add(binding: Binding): void {
    const { host } = binding;
    if (binding.era === host.era) return;
    binding.era = host.era;
    host.sessions += 1;
  }

  /** Stops counting a session, until it is added again. */
  delete(binding: Binding): void {
    const { host, era } = binding;
    if (era !== host.era) return;
    binding.era = UNCOUNTED;
    host.sessions -= 1;
    this.#hosts.settle(host);
  }
}
