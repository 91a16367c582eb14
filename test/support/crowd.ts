import { Host } from '../../src/hosts/host';
import { Hosts, type HostsOptions } from '../../src/hosts/hosts';
import { Moves } from '../../src/operating/moves';
import type { SessionSource } from '../../src/operating/operator';
import { requestsOf } from './handshakes';

interface CrowdOptions extends Partial<HostsOptions> {
  /** After how long one comes back whose session was ended, in ms. */
  returnTime?: number;
}

const [HANDSHAKE] = requestsOf(1);

/** Clients with a session each on hosts that are up, which come back where `Hosts` sends them when theirs is ended. */
export class Crowd implements SessionSource {
  readonly all: Host[];
  readonly hosts: Hosts;
  readonly moves: Moves;
  /** When sessions were ended, by `jest.now()`. */
  readonly endedAt: number[] = [];
  /** How many are on their way back. */
  away = 0;
  readonly #returnTime: number;
  #sids = 0;

  constructor(weights: number[], { returnTime = 20, ...options }: CrowdOptions = {}) {
    this.all = weights.map((weight, i) => new Host(`host-${i}:3000`, weight));
    this.#returnTime = returnTime;
    this.hosts = new Hosts(this.all, {
      unhealthyAfter: 1, healthyAfter: 1, balance: 'round-robin', slowStart: 0, maxSessions: undefined, ...options,
    });
    this.moves = new Moves(this.hosts, this);
    for (const host of this.all) this.hosts.report(host, undefined);
  }

  get counts(): number[] {
    return this.hosts.all.map(({ sessions }) => sessions);
  }

  open(count = 1): void {
    for (let i = 0; i < count; i += 1) {
      const host = HANDSHAKE && this.hosts.pick(HANDSHAKE, true);
      if (!host) throw new Error('no host is open');
      host.sessions += 1;
    }
  }

  /** Another host comes, and is up. */
  add(name: string, weight: number): void {
    const host = new Host(name, weight);
    this.hosts.add(host);
    this.hosts.report(host, undefined);
  }

  endSome(name: string, count: number): Promise<string[]> {
    const host = this.hosts.named(name);
    const ended = Math.min(count, host.sessions);
    host.sessions -= ended;
    this.hosts.settle(host);
    this.away += ended;
    return Promise.resolve(Array.from({ length: ended }, () => {
      this.endedAt.push(jest.now());
      setTimeout(() => {
        this.away -= 1;
        this.open();
      }, this.#returnTime);
      return String(this.#sids += 1);
    }));
  }

  find(): Promise<'never_seen'> {
    return Promise.resolve('never_seen');
  }

  end(): Promise<'never_seen'> {
    return Promise.resolve('never_seen');
  }
}
