import { createHash } from 'node:crypto';
import { version } from '../base/version';
import type { Self } from '../fleet/fleet';
import type { HostShown, Spelling } from '../fleet/member';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import type { SidSample } from '../sessions/sid-sample';

const NO_SIDS = new Int32Array(0);

/** What a member shows of its options. */
export interface ShownOptions {
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
  readonly #spelling: Omit<Spelling, 'hosts'>;
  /** `undefined`: the hosts are configured, and not discovered. */
  readonly #discovered: string | undefined;
  readonly #handshakes = new WeakMap<Host, number>();
  #shownAt = performance.now();

  constructor({ discover, path, keyPrefix, keyExpiry }: ShownOptions, hosts: Hosts) {
    this.#hosts = hosts;
    this.#keyExpiry = keyExpiry;
    this.#spelling = { path, keyPrefix };
    this.#discovered = discover && digestOf([`${discover.name}:${discover.port ?? 'srv'}`]);
  }

  /**
   * Called once a beat: rates are of the time since the call before.
   *
   * @param waits tells whether sessions may go on at a host that only members knew that are gone. A member that starts
   * may not have seen them, and has to wait for this one then.
   */
  show(
    { ready, workers, without, ended }: Pick<Self, 'ready' | 'workers' | 'without' | 'ended'>, sample: SidSample,
    waits: (host: string) => boolean,
  ): Self {
    const now = performance.now();
    const seconds = Math.max(0.001, (now - this.#shownAt) / 1000);
    this.#shownAt = now;
    const hosts = this.#hosts.all.map((host) => this.#hostOf(host, seconds, sample, waits));
    const spelling = { hosts: this.#discovered ?? digestOf(hosts.map(({ host }) => host)), ...this.#spelling };
    return { version, ready, workers, spelling, hosts, level: sample.level, without, ended };
  }

  #hostOf(host: Host, seconds: number, sample: SidSample, waits: (host: string) => boolean): HostShown {
    const { status: { host: name, state, sessions, tunnels, polls }, totals: { handshakes } } = host;
    const count = handshakes.polling + handshakes.websocket;
    const handshakesPerSecond = (count - (this.#handshakes.get(host) ?? count)) / seconds;
    this.#handshakes.set(host, count);
    const [idle, sids] = [host.draining && host.empty && !waits(name), sample.hosts.get(name) ?? NO_SIDS];
    const life = 1000 * Math.max(this.#keyExpiry, host.bindingLife);
    return { host: name, state, sessions, tunnels, polls, handshakesPerSecond, idle, sids, life };
  }
}

/** In whatever order. */
function digestOf(names: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify([...names].sort())).digest('hex').slice(0, 12);
}
