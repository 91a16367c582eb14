import { EventEmitter } from 'node:events';
import { Operations, type Operated } from '../../src/operating/operations';
import type { ProxyEvents } from '../../src/operating/proxy-events';
import { ModelMember, type ModelFleet } from './model-member';

/** A member that can be told to replace its hosts. */
export class Rolling extends ModelMember {
  readonly operations: Operations;
  readonly events = new EventEmitter<ProxyEvents>();
  readonly #world: ModelFleet;

  constructor(world: ModelFleet, id: string, names: readonly string[]) {
    super(world, id, names);
    this.#world = world;
    const sessions = { endSome: () => Promise.resolve([]) };
    const operated = { workers: 1, storeFails: false, readiness: { ready: true }, sessions, goneOn: () => [] } as unknown as Operated;
    const options = { rebalance: undefined, discover: undefined };
    this.operations = new Operations(this.hosts, operated, options, this.events, () => true, this.fleet);
  }

  see(name: string): void {
    this.hosts.report(this.hosts.named(name), undefined);
  }

  /** Each host, and whether it is draining. */
  get all(): unknown {
    return this.hosts.all.map(({ name, draining }) => [name, draining]);
  }

  /** When the sessions of a host are moved that drains, in ms from now. */
  movesIn(host: string): number {
    const { movesAt } = JSON.parse(this.fleet.get(`drain ${host}`)?.value ?? '') as { movesAt: number };
    return movesAt - this.#world.time;
  }
}
