import { createHash } from 'node:crypto';
import { version } from '../base/version';
import type { Self } from '../fleet/fleet';
import type { EndedShown, HostShown, Spelling } from '../fleet/member';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import type { SidSample } from '../sessions/sid-sample';

const NO_SIDS = new Int32Array(0);

/** What a member shows of its options. */
export interface ShownOptions {
  readonly hosts: readonly Host[];
  readonly discover: { readonly name: string; readonly port: number | undefined } | undefined;
  readonly path: string;
  readonly keyPrefix: string;
  /** In seconds. */
  readonly keyExpiry: number;
}

/** What a proxy shows of itself to the fleet. */
export class FleetSelf {
  readonly #hosts: Hosts;
  readonly #keyExpiry: number;
  #spelling: Spelling;
  readonly #handshakes = new WeakMap<Host, number>();
  #shownAt = performance.now();

  constructor(options: ShownOptions, hosts: Hosts) {
    this.#hosts = hosts;
    this.#keyExpiry = options.keyExpiry;
    this.#spelling = spellingOf(options);
  }

  /** Called when the settings name other hosts. */
  respell(hosts: readonly Host[]): void {
    this.#spelling = { ...this.#spelling, hosts: digestOf(namesOf(hosts)) };
  }

  /** Called once a beat: rates are of the time since the call before. */
  show(
    ready: boolean, workers: number, without: readonly string[], sample: SidSample, ended: readonly EndedShown[],
  ): Self {
    const now = performance.now();
    const seconds = Math.max(0.001, (now - this.#shownAt) / 1000);
    this.#shownAt = now;
    const hosts = this.#hosts.all.map((host) => this.#hostOf(host, seconds, sample));
    return { version, ready, workers, spelling: this.#spelling, hosts, level: sample.level, without, ended };
  }

  #hostOf(host: Host, seconds: number, sample: SidSample): HostShown {
    const { status: { host: name, state, sessions, tunnels, polls }, totals: { handshakes } } = host;
    const count = handshakes.polling + handshakes.websocket;
    const handshakesPerSecond = (count - (this.#handshakes.get(host) ?? count)) / seconds;
    this.#handshakes.set(host, count);
    const [idle, sids] = [host.draining && host.empty, sample.hosts.get(name) ?? NO_SIDS];
    const life = 1000 * Math.max(this.#keyExpiry, host.bindingLife);
    return { host: name, state, sessions, tunnels, polls, handshakesPerSecond, idle, sids, life };
  }
}

function spellingOf({ hosts, discover, path, keyPrefix }: ShownOptions): Spelling {
  const named = discover ? [`${discover.name}:${discover.port ?? 'srv'}`] : namesOf(hosts);
  return { hosts: digestOf(named), path, keyPrefix };
}

function namesOf(hosts: readonly Host[]): string[] {
  return hosts.map(({ name }) => name).sort();
}

function digestOf(names: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(names)).digest('hex').slice(0, 12);
}
