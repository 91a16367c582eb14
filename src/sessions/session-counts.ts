import { Copy, UNCOUNTED, type Binding } from './binding';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import { sampleOf, SidHashes, type SidSample } from './sid-sample';

/** Counts the sessions of each host that this process knows. Each counts once, however often that is said. */
export class SessionCounts {
  readonly #hosts: Hosts;
  /** The counted sids of each host, if somebody wants samples. */
  #sids: WeakMap<Host, { era: number; hashes: SidHashes }> | undefined;

  constructor(hosts: Hosts) {
    this.#hosts = hosts;
  }

  /** Makes `sample` possible. To be called before the first session. */
  keepSample(): void {
    this.#sids ??= new WeakMap();
  }

  /** A sample of the counted sids: see `unionOf`. */
  get sample(): SidSample {
    return sampleOf(new Map(this.#hosts.all.flatMap((host) => {
      const sids = this.#sids?.get(host);
      return sids?.era === host.era ? [[host.name, sids.hashes]] : [];
    })));
  }

  /** Counts a session from now on, unless its host loses all, or has still to confirm it. */
  add(binding: Binding): void {
    const { host } = binding;
    if (binding.era === host.era || binding.copy === Copy.Unconfirmed) return;
    binding.era = host.era;
    host.sessions += 1;
    host.bindingLife = Math.max(host.bindingLife, binding.ttl);
    this.#hashesOf(host)?.add(binding.sid);
  }

  /** Called when the host has served a request of the session. */
  confirm(binding: Binding): void {
    if (binding.copy !== Copy.Unconfirmed) return;
    binding.copy = Copy.Made;
    this.add(binding);
  }

  /** Stops counting a session, until it is added again. */
  delete(binding: Binding): void {
    const { host, era } = binding;
    if (era !== host.era) return;
    binding.era = UNCOUNTED;
    host.sessions -= 1;
    this.#hashesOf(host)?.delete(binding.sid);
    this.#hosts.settle(host);
  }

  #hashesOf(host: Host): SidHashes | undefined {
    let sids = this.#sids?.get(host);
    if (sids?.era !== host.era) this.#sids?.set(host, sids = { era: host.era, hashes: new SidHashes() });
    return this.#sids && sids?.hashes;
  }
}
