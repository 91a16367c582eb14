import { randomBytes } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import { hostname } from 'node:os';
import { announce } from '../base/announce';
import { within } from '../base/deadline';
import { Fleet } from '../fleet/fleet';
import type { FleetStore } from '../fleet/fleet-store';
import type { HealthSource } from '../hosts/health-checker';
import type { Hosts } from '../hosts/hosts';
import { followCounts } from './fleet-counts';
import { FleetRate, type RateLimit } from './fleet-rate';
import { FleetSelf, type ShownOptions } from './fleet-self';
import type { Operated, Operations } from './operations';
import type { ProxyEvents } from './proxy-events';

/** How long a proxy that closes tries to tell the others, in ms. */
const LEAVE_TIMEOUT = 300;

/** How many characters of the host's name an id has at most. */
const MAX_HOSTNAME = 40;

export interface ProxyFleetOptions extends ShownOptions {
  /** `undefined`: the proxy is a member of no fleet. */
  readonly fleet: FleetStore | undefined;
  /** In ms. */
  readonly storeTimeout: number;
}

/** A proxy's part in the fleet, if it has one. */
export interface ProxyFleet {
  readonly member: Fleet | undefined;
  /** Lets the first look at the fleet be over, or have failed, before a health source is ready. */
  before(health: HealthSource): HealthSource;
  /** Lets a limit follow this member's slice of the fleet's rate. To be called before the fleet's first look. */
  sharing<L extends RateLimit>(limit: L): L;
  /** Sets what the proxy shows of itself. */
  show(operations: Operations, operated: Operated): void;
  /** Leaves the fleet. Never rejects. */
  stop(): Promise<void>;
}

const NONE: ProxyFleet = {
  member: undefined, before: (health) => health, sharing: (limit) => limit, show: () => {},
  stop: () => Promise.resolve(),
};

export function createFleet(
  options: ProxyFleetOptions, hosts: Hosts, events: EventEmitter<ProxyEvents>,
): ProxyFleet {
  if (!options.fleet) return NONE;
  const self = new FleetSelf(options, hosts);
  let show = (): ReturnType<FleetSelf['show']> =>
    self.show({ ready: false, workers: 1, without: [], ended: [] }, { level: 0, hosts: new Map() }, () => false);
  const { storeTimeout: timeout, keyExpiry } = options;
  const member = new Fleet({ id: createId(), timeout, life: keyExpiry * 1000 }, options.fleet, () => show());
  relay(member, events);
  followCounts(member, hosts);
  let rate: FleetRate | undefined;
  return {
    member,
    before: (health) => new AfterFleet(member, health),
    sharing: (limit) => {
      rate = new FleetRate(member, limit);
      return limit;
    },
    show: (operations, operated) => {
      show = () => {
        const { readiness: { ready }, without, ended } = operations;
        const known = { ready, workers: operated.workers, without, ended };
        return self.show(known, operated.sample, (host) => operations.remainsOf(host).gone.length > 0);
      };
    },
    stop: () => {
      rate?.stop();
      return within(LEAVE_TIMEOUT, member.stop());
    },
  };
}

/** What people find the process by, and what makes it unlike any other, without spaces. */
function createId(): string {
  const host = hostname().replace(/[^\w.-]/g, '-').slice(0, MAX_HOSTNAME);
  return `${host}:${process.pid}:${randomBytes(4).toString('hex')}`;
}

function relay(member: Fleet, events: EventEmitter<ProxyEvents>): void {
  member.on('joined', (id) => announce(events, 'joined', id));
  member.on('left', (id) => announce(events, 'left', id));
  member.on('disagree', (id, what) => announce(events, 'disagree', id, what.join(', ')));
  member.on('refused', ({ message }) => {
    const remedy = 'Each proxy goes on alone. The fleet needs the rights that docs/fleet.md names';
    announce(events, 'suspicious', undefined, `this Redis refuses the fleet: ${message}. ${remedy}`);
  });
}

/** A health source that is ready once the proxy has looked what the fleet has set, as far as it can. */
class AfterFleet implements HealthSource {
  readonly #member: Fleet;
  readonly #health: HealthSource;
  #started: Promise<void> | undefined;
  #looked = false;

  constructor(member: Fleet, health: HealthSource) {
    this.#member = member;
    this.#health = health;
  }

  get ready(): boolean {
    return this.#looked && this.#health.ready;
  }

  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  stop(): void {
    this.#health.stop();
  }

  async #start(): Promise<void> {
    await Promise.all([this.#member.start(), this.#health.start()]);
    this.#looked = true;
  }
}
