import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Operator } from '../operating/operator';
import { MAX_SID_LENGTH } from '../routing/sniffer';
import { fleetReply } from './fleet-routes';
import { HostRoutes } from './host-routes';
import { CONTENT_TYPE, metricsText } from './metrics';
import { Problem } from './problems';
import { jsonReply, type Reply } from './reply';
import { Routes, type Asked, type Handler } from './router';
import { RolloutRoutes } from './rollout-routes';
import { SessionRoutes } from './session-routes';
import { readinessOf } from './snapshot';
import { StaticFiles } from './static-files';
import type { Streams } from './streams';

/** The routes of the admin server. `openapi.json` describes them. */
export function routesOf(operator: Operator, streams: Streams): Routes {
  const hosts = new HostRoutes(operator);
  const sessions = new SessionRoutes(operator);
  const rollouts = new RolloutRoutes(operator);
  const files = new StaticFiles();
  const description = describedReply();
  const file: Handler = ({ req, path }) => files.reply(req, path);
  return new Routes([
    { path: '/', isPublic: true, methods: { GET: file } },
    { path: '/page/{file}', isPublic: true, methods: { GET: file } },
    { path: '/uplot/{file}', isPublic: true, methods: { GET: file } },
    { path: '/healthz', isPublic: true, methods: { GET: () => jsonReply(200, { status: 'ok' }) } },
    { path: '/readyz', isPublic: true, methods: { GET: () => readyReply(operator) } },
    { path: '/metrics', methods: { GET: () => metricsReply(operator) } },
    { path: '/openapi.json', methods: { GET: () => description } },
    { path: '/api/hosts', methods: { GET: () => hosts.list(), POST: (asked) => hosts.add(asked) } },
    {
      path: '/api/hosts/{host}',
      methods: {
        GET: (asked) => hosts.get(asked),
        PATCH: (asked) => hosts.change(asked),
        DELETE: (asked) => hosts.remove(asked),
      },
    },
    {
      path: '/api/sessions/{sid}',
      methods: {
        GET: (asked) => sessions.get(withSid(asked)), DELETE: (asked) => sessions.end(withSid(asked)),
      },
    },
    {
      path: '/api/rebalance',
      methods: {
        GET: () => sessions.getRebalance(),
        POST: (asked) => sessions.startRebalance(asked),
        DELETE: (asked) => sessions.stopRebalance(asked),
      },
    },
    {
      path: '/api/rollout',
      methods: {
        GET: () => rollouts.get(), POST: (asked) => rollouts.start(asked), DELETE: (asked) => rollouts.stop(asked),
      },
    },
    { path: '/api/fleet', methods: { GET: () => fleetReply(operator) } },
    { path: '/api/events', methods: { GET: (asked) => eventsReply(streams, asked) } },
  ]);
}

function describedReply(): Reply {
  const body = readFileSync(join(__dirname, 'openapi.json'));
  return { status: 200, headers: { 'Content-Type': 'application/json' }, body };
}

function readyReply(operator: Operator): Reply {
  const { readiness } = operator.summary;
  return jsonReply(readiness.ready ? 200 : 503, readinessOf(readiness));
}

async function metricsReply(operator: Operator): Promise<Reply> {
  return { status: 200, headers: { 'Content-Type': CONTENT_TYPE }, body: await metricsText(operator) };
}

async function eventsReply(streams: Streams, { req, res }: Asked): Promise<Reply | undefined> {
  if (req.method === 'HEAD') return { status: 200, headers: { 'Content-Type': 'text/event-stream' } };
  const { 'last-event-id': lastId } = req.headers;
  await streams.open(res, typeof lastId === 'string' ? lastId : undefined);
  return undefined;
}

/** @throws Problem if the sid is too long: the proxy refuses such sids. */
function withSid(asked: Asked): Asked {
  const [sid = ''] = asked.params;
  if (sid.length > MAX_SID_LENGTH) throw new Problem('NEVER_SEEN', `a sid has at most ${MAX_SID_LENGTH} characters`);
  return asked;
}
