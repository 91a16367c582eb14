import { setTimeout as sleep } from 'node:timers/promises';
import { until } from './until.mjs';

/** How long members may take to agree once no part fails any more, in ms. */
const AGREEMENT = 10_000;

/** At least this many hosts take new sessions, as far as the operator knows. */
const MIN_OPEN = 2;

/** Operates a fleet: tells one member after the other what is to hold for all, and asks whether all agree on it. */
export class Operator {
  /** How long each agreement took, in ms. */
  agreements = [];
  /** What a member that was told did not do: it had not heard of the host yet, or was killed. */
  refused = 0;
  #parts;
  #record;
  #live;
  #isOver = false;
  #watching = [];
  /** Of each host by its name, as far as the operator knows. */
  #known = new Map();

  /**
   * @param parts the hosts. Those that are not configured have to be added.
   * @param configured the names of those that are.
   * @param live gives the proxies that are well.
   */
  constructor(parts, configured, live, record) {
    this.#parts = parts;
    this.#live = live;
    this.#record = record;
    for (const part of parts) {
      const listed = configured.includes(part.name);
      this.#known.set(part.name, { listed, draining: false, weight: 1 });
      if (!listed) part.unlistedAt = Infinity;
    }
    this.#watching.push(this.#watchLists());
  }

  /** Tells things at random until `end`, also while parts fail. */
  async operate(end, dice) {
    const operations = this.#operations(dice);
    while (performance.now() < end) {
      const kind = dice.oneOf(Object.keys(operations));
      // All are drawn, whatever comes of it: so what follows is the same in each run.
      const [at, gap, proxy] = [dice.between(0, 1000), dice.between(200, 1500), dice.oneOf(this.#live())];
      const operation = operations[kind](at);
      if (operation && proxy) await this.#tell(kind, proxy, ...operation);
      await sleep(gap);
    }
  }

  /** Once no part fails: all members agree. Then all is told that makes the hosts even again, and they agree on that. */
  async settle(dice) {
    await this.#tell('even again', dice.oneOf(this.#live()), undefined, 'stopRollout');
    const found = await this.#agree('on anything', () => true);
    for (const [name, state] of this.#known) state.listed = found.some(([host]) => host === name);
    for (const [name, draining, weight] of found) Object.assign(this.#known.get(name), { draining, weight });
    for (const [name, { listed, draining, weight }] of this.#known) {
      const told = (...operation) => this.#tell('even again', dice.oneOf(this.#live()), name, ...operation);
      if (!listed) await told('addHost', { weight: 1 });
      if (listed && draining) await told('undrainHost');
      if (listed && weight !== 1) await told('setWeight', 1);
    }
    const even = JSON.stringify([...this.#known.keys()].sort().map((name) => [name, false, 1]));
    await this.#agree(`on ${even}`, (hosts) => JSON.stringify(hosts) === even);
  }

  async end() {
    this.#isOver = true;
    await Promise.all(this.#watching);
  }

  /** Each gives the arguments of a call, the host first; `undefined` if there is no host for it. */
  #operations(dice) {
    const named = (condition) => dice.oneOf([...this.#known].filter(([, state]) => condition(state)).map(([name]) => name));
    const open = ({ listed, draining, weight }) => listed && !draining && weight > 0;
    const spare = () => {
      const name = named(open);
      return [...this.#known.values()].filter(open).length > MIN_OPEN ? name : undefined;
    };
    const on = (name, ...operation) => name && [name, ...operation];
    return {
      'told: drain': () => on(spare(), 'drainHost'),
      'told: drain, with a deadline': (at) => on(spare(), 'drainHost', { deadline: 2 * at, movesPerSecond: 20 }),
      'told: undrain': () => on(named(({ listed, draining }) => listed && draining), 'undrainHost'),
      'told: weight': (at) => on(named(({ listed }) => listed), 'setWeight', 1 + at % 5),
      'told: weight 0': () => on(spare(), 'setWeight', 0),
      'told: remove': () => on(spare(), 'removeHost'),
      'told: add': (at) => on(named(({ listed }) => !listed), 'addHost', { weight: 1 + at % 5 }),
      'told: rollout': (at) => {
        const old = spare();
        const hosts = [...this.#known].filter(([name, state]) => name !== old && (open(state) || !state.listed)).map(([name]) => name);
        return old && [undefined, 'startRollout', { hosts, deadline: at, movesPerSecond: 20 }];
      },
      'told: rollout ends': () => [undefined, 'stopRollout'],
      'told: rebalance': () => [undefined, 'rebalance', { perMinute: 600 }],
    };
  }

  async #tell(kind, proxy, name, method, ...args) {
    const operands = name === undefined ? args : [name, ...args];
    this.#record.fault(kind, `proxy ${proxy.port}: ${method}(${operands.map((each) => JSON.stringify(each)).join(', ')})`);
    // Before it is told: the next moment, sessions there may be refused.
    const part = this.#parts.find((each) => each.name === name);
    if (method === 'removeHost') part.unlistedAt = Infinity;
    try {
      await proxy.remote.call('operate', method, ...operands);
    } catch (error) {
      this.refused += 1;
      this.#record.note(`  which failed: ${error.message.split('\n', 1)[0]}`);
    }
    const state = this.#known.get(name);
    if (method === 'startRollout') this.#rolledOut(args[0].hosts);
    if (method === 'removeHost') state.listed = false;
    if (method === 'addHost') Object.assign(state, { listed: true, draining: false, weight: args[0].weight });
    if (method === 'setWeight') [state.weight] = args;
    if (method === 'drainHost') state.draining = true;
    if (method === 'undrainHost') state.draining = false;
  }

  /** A rollout drains the old hosts once the new ones are up at all members. */
  #rolledOut(hosts) {
    for (const [name, state] of this.#known) {
      if (!hosts.includes(name)) state.draining = true;
      else if (!state.listed) Object.assign(state, { listed: true, weight: 1, draining: false });
    }
  }

  /** Resolves with the hosts of all members once they agree. */
  async #agree(what, condition) {
    let views = [];
    const isOne = async () => {
      views = await this.#views();
      const [first, ...others] = views.map((view) => JSON.stringify(view));
      return others.every((other) => other === first) && views[0]?.members === this.#live().length && condition(views[0].hosts);
    };
    try {
      this.agreements.push(await until(`all members agree ${what}`, isOne, AGREEMENT));
    } catch (error) {
      this.#record.note(views.map((view, i) => `  member ${i + 1}: ${JSON.stringify(view)}`).join('\n'));
      throw error;
    }
    return views[0].hosts;
  }

  /** What each member knows of the fleet; `undefined` of one that has just been killed. */
  #views() {
    return Promise.all(this.#live().map((proxy) => proxy.remote.call('fleet').catch(() => undefined)));
  }

  /** A host that was removed counts again once each member lists it. */
  async #watchLists() {
    while (!this.#isOver) {
      const views = await this.#views();
      for (const part of this.#parts) {
        const isListed = views.length > 0 && views.every((view) => view?.hosts.some(([name]) => name === part.name));
        if (!isListed) part.unlistedAt = Infinity;
        else if (part.unlistedAt === Infinity && this.#known.get(part.name).listed) part.unlistedAt = performance.now();
      }
      await sleep(100);
    }
  }
}
