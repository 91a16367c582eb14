import { integerOf, MAX_DELAY } from '../base/checks';
import { Host } from '../hosts/host';
import { hostOf, weightOf } from '../hosts/host-options';
import { movesPerSecondOf } from '../operating/pace';
import type { DrainOptions, HostReport, Operator } from '../operating/operator';
import { readObject } from './body';
import { DrainedWaits, waitOf } from './drained';
import { Problem, valid } from './problems';
import { scopeOf } from './query';
import { checkUnused } from './removal';
import { jsonReply, type Reply } from './reply';
import type { Asked } from './router';
import { hostJson, snapshotOf } from './snapshot';

/** The API for hosts. */
export class HostRoutes {
  readonly #operator: Operator;
  readonly #drained: DrainedWaits;

  constructor(operator: Operator) {
    this.#operator = operator;
    this.#drained = new DrainedWaits(operator);
  }

  async list(): Promise<Reply> {
    return jsonReply(200, snapshotOf(this.#operator, await this.#operator.totals()));
  }

  async get({ params: [name = ''], query, res }: Asked): Promise<Reply> {
    const timeout = waitOf(query);
    const report = this.#named(name);
    return this.#replyOf(200, timeout === undefined ? report : await this.#drained.wait(report, timeout, res));
  }

  async add({ req, query }: Asked): Promise<Reply> {
    const scope = scopeOf(query);
    const { host, weight = 1 } = await readObject(req, ['host', 'weight']);
    const added = valid(() => hostOf('host', host, weightOf('weight', weight)));
    const { origin } = added.url;
    const twin = this.#operator.hosts.find((report) => new Host(report.host).url.origin === origin);
    if (twin) throw new Problem('HOST_EXISTS', `the host '${twin.host}' exists already`);
    valid(() => this.#operator.addHost(added.name, { weight: added.weight, scope }));
    return this.#replyOf(201, this.#named(added.name), { Location: `/api/hosts/${encodeURIComponent(added.name)}` });
  }

  async change({ req, params: [name = ''], query }: Asked): Promise<Reply> {
    const scope = scopeOf(query);
    this.#named(name);
    const body = await readObject(req, ['state', 'weight', 'deadline', 'movesPerSecond']);
    const { state, weight } = body;
    if (state === undefined && weight === undefined) throw new Problem('INVALID', "'state' or 'weight' is expected");
    if (state !== undefined && state !== 'active' && state !== 'draining') {
      throw new Problem('INVALID', "'state' must be 'active' or 'draining'");
    }
    // Validates everything before the first change.
    const drain = drainOf(body, state);
    const share = weight === undefined ? undefined : valid(() => weightOf('weight', weight));
    // The host may have been removed while the body arrived.
    this.#named(name);
    if (share !== undefined) this.#operator.setWeight(name, share, { scope });
    if (state === 'draining') this.#operator.drainHost(name, { ...drain, scope });
    else if (state === 'active') this.#operator.undrainHost(name, { scope });
    return this.#replyOf(200, this.#named(name));
  }

  async remove({ params: [name = ''], query }: Asked): Promise<Reply> {
    const force = forceOf(query);
    const scope = scopeOf(query, 'force');
    this.#named(name);
    if (!force) {
      // Others may have opened sessions there since the last beat: this process may have stood still.
      const isKnown = scope === 'proxy' || await this.#operator.refresh();
      checkUnused(this.#operator, this.#named(name), scope, isKnown);
    }
    this.#operator.removeHost(name, { scope });
    return { status: 204 };
  }

  #named(name: string): HostReport {
    const report = this.#operator.hosts.find(({ host }) => host === name);
    if (!report) throw new Problem('HOST_UNKNOWN', `unknown host '${name}'`);
    return report;
  }

  async #replyOf(status: number, report: HostReport, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
    const { hosts } = await this.#operator.totals();
    return jsonReply(status, hostJson(report, hosts[report.host]), headers);
  }
}

function drainOf(body: Readonly<Partial<Record<keyof DrainOptions, unknown>>>, state: unknown): DrainOptions {
  const { deadline, movesPerSecond } = body;
  if (deadline !== undefined && state !== 'draining') {
    throw new Problem('INVALID', "'deadline' needs the state 'draining'");
  }
  if (movesPerSecond !== undefined && deadline === undefined) {
    throw new Problem('INVALID', "'movesPerSecond' needs a 'deadline'");
  }
  const options: DrainOptions = {};
  valid(() => {
    if (deadline !== undefined) options.deadline = integerOf('deadline', deadline, 0, MAX_DELAY);
    if (movesPerSecond === undefined) return;
    options.movesPerSecond = movesPerSecondOf('movesPerSecond', movesPerSecond);
  });
  return options;
}

function forceOf(query: URLSearchParams): boolean {
  const given = query.getAll('force');
  const [force = 'false'] = given;
  if (given.length > 1 || (force !== 'true' && force !== 'false')) {
    throw new Problem('INVALID', "'force' must be true or false");
  }
  return force === 'true';
}
