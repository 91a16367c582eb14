import type { IncomingMessage, ServerResponse } from 'node:http';
import { weightOf } from '../host-options';
import type { DrainOptions, HostReport, Operator } from '../operator';
import { readBody } from './body';
import type { Events } from './events';
import { CONTENT_TYPE, metricsText } from './metrics';
import { invalid, Problem } from './problem';
import { absenceText, hostsView, hostView, readinessView, sessionView } from './views';

/** What a request is answered from. */
export interface Call {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly query: URLSearchParams;
  /** What stands in the place of `*` in the path. */
  readonly name: string;
  readonly operator: Operator;
  readonly events: Events;
  readonly description: object;
}

export interface Reply {
  readonly status: number;
  /** To be sent as JSON, or as it is, where `type` says what it is. */
  readonly body?: object | string | Buffer;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** `undefined` where it has answered by itself. */
export type Handler = (call: Call) => Reply | Promise<Reply | undefined>;

/** What answers each method. */
export type Methods = Readonly<Partial<Record<string, Handler>>>;

/** The longest sid that can be one. */
const MAX_SID_LENGTH = 512;

/** What needs no token: whoever probes has none, and learns nothing. */
export const OPEN: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

/** Every path and method. A `*` stands for one segment. */
export const ROUTES: Readonly<Record<string, Methods>> = {
  '/healthz': { GET: () => ok({ status: 'ok' }) },
  '/readyz': {
    GET: ({ operator: { summary: { readiness } } }) =>
      ({ status: readiness.ready ? 200 : 503, body: readinessView(readiness) }),
  },
  '/metrics': { GET: async ({ operator }) => ({ status: 200, body: await metricsText(operator), type: CONTENT_TYPE }) },
  '/openapi.json': { GET: ({ description }) => ok(description) },
  '/api/hosts': { GET: async ({ operator }) => ok((await hostsView(operator)).view), POST: addHost },
  '/api/hosts/*': { GET: (call) => showHost(call), PATCH: changeHost, DELETE: removeHost },
  '/api/sessions/*': { GET: showSession, DELETE: endSession },
  '/api/rebalance': {
    GET: ({ operator }) => ok(operator.summary.rebalance),
    POST: startRebalance,
    DELETE: ({ operator }) => {
      operator.stopRebalance();
      return { status: 204 };
    },
  },
  '/api/events': {
    GET: async ({ req, res, events }) => {
      if (req.method === 'HEAD') return { status: 200, type: 'text/event-stream', body: '' };
      const lastId = req.headers['last-event-id'];
      await events.open(res, typeof lastId === 'string' ? lastId : undefined);
      return undefined;
    },
  },
};

async function addHost(call: Call): Promise<Reply> {
  const { operator } = call;
  const { host, weight } = await readBody(call.req, ['host', 'weight']);
  if (typeof host !== 'string') throw invalid("'host' must be a string");
  const isKnown = operator.hosts.some((known) => known.host === host);
  if (isKnown) throw new Problem(409, 'HOST_KNOWN', `'${host}' is one of the hosts already`);
  checked(() => operator.addHost(host, { weight: weightOf('weight', weight ?? 1) }));
  return { ...await showHost({ ...call, name: host }), status: 201, headers: { Location: pathOf(host) } };
}

async function showHost({ operator, name }: Call): Promise<Reply> {
  const totals = await operator.totals();
  return ok(hostView(hostOf(operator, name), totals.hosts[name]));
}

async function changeHost(call: Call): Promise<Reply> {
  const { operator, name } = call;
  hostOf(operator, name);
  const { state, weight, ...drain } = await readBody(call.req, ['state', 'weight', 'deadline', 'movesPerSecond']);
  if (state === undefined && weight === undefined) throw invalid("'state' or 'weight' must be given");
  if (state !== undefined && state !== 'active' && state !== 'draining') {
    throw invalid("'state' must be 'active' or 'draining'");
  }
  if (state !== 'draining' && Object.keys(drain).length > 0) {
    throw invalid("'deadline' and 'movesPerSecond' go with the state 'draining'");
  }
  checked(() => {
    // First what may be mistaken, so that all is done or nothing.
    const newWeight = weight === undefined ? undefined : weightOf('weight', weight);
    if (state === 'draining') operator.drainHost(name, drain as DrainOptions);
    if (state === 'active') operator.undrainHost(name);
    if (newWeight !== undefined) operator.setWeight(name, newWeight);
  });
  return showHost(call);
}

function removeHost({ operator, name, query }: Call): Reply {
  const { sessions, tunnels } = hostOf(operator, name);
  const force = query.get('force') ?? 'false';
  if (force !== 'true' && force !== 'false') throw invalid("'force' must be true or false");
  if (force === 'false' && (sessions > 0 || tunnels > 0)) {
    const message = `${sessions} sessions and ${tunnels} WebSockets are on '${name}': drain it first, or force it`;
    throw new Problem(409, 'HOST_IN_USE', message);
  }
  operator.removeHost(name);
  return { status: 204 };
}

async function showSession({ operator, name }: Call): Promise<Reply> {
  const found = await storeOf(() => operator.findSession(sidOf(name)));
  if (typeof found === 'string') throw new Problem(404, found.toUpperCase(), absenceText(found));
  return ok(sessionView(found));
}

async function endSession({ operator, name }: Call): Promise<Reply> {
  const outcome = await storeOf(() => operator.endSession(sidOf(name)));
  if (outcome === 'ended') return { status: 204 };
  if (outcome === 'elsewhere') {
    throw new Problem(409, 'ELSEWHERE', 'its WebSocket goes through another proxy, which alone can end it');
  }
  throw new Problem(404, outcome.toUpperCase(), absenceText(outcome));
}

async function startRebalance({ operator, req }: Call): Promise<Reply> {
  const options = await readBody(req, ['perMinute']);
  if (operator.summary.rebalance.running) throw new Problem(409, 'REBALANCE_RUNNING', 'a rebalance is under way');
  checked(() => operator.rebalance(options as { perMinute?: number }));
  return { status: 202, body: operator.summary.rebalance };
}

function hostOf({ hosts }: Operator, name: string): HostReport {
  const host = hosts.find((each) => each.host === name);
  if (!host) throw new Problem(404, 'HOST_UNKNOWN', `'${name}' is none of the hosts`);
  return host;
}

function sidOf(name: string): string {
  if (name.length > MAX_SID_LENGTH) throw new Problem(404, 'NEVER_SEEN', absenceText('never_seen'));
  return name;
}

/** What the library finds mistaken is so here too. */
function checked(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const isTwin = error.message.includes('another server');
    throw isTwin ? new Problem(409, 'HOST_KNOWN', error.message) : invalid(error.message);
  }
}

async function storeOf<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(503, 'NO_ANSWER', error instanceof Error ? error.message : String(error));
  }
}

function pathOf(host: string): string {
  return `/api/hosts/${encodeURIComponent(host)}`;
}

function ok(body: object): Reply {
  return { status: 200, body };
}
