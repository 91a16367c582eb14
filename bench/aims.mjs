import { leastRatio, pairedRatio } from './measure.mjs';

/** How many cores a machine needs for two workers, the hosts and the load to run at once. */
const CORES_FOR_TWO_WORKERS = 4;

/** What the proxy is to reach, and what this run says of it. Where a part was not measured, so is the aim. */
export function judge({ rows, curves, machine }) {
  const us = 'socket.io-proxy2';
  const row = (id, peer, figure = 'cpu') => rows.find((one) => one.id === id)?.peers[peer]?.[figure];
  const point = (id, x, figure = 'cpu') => points(id).find((one) => one.x === x)?.[figure];
  const points = (id) => curves.find((one) => one.id === id)?.lines[us] ?? [];
  const last = (id) => points(id).at(-1);
  const first = (id) => points(id)[0];
  const enough = machine.cores >= CORES_FOR_TWO_WORKERS;
  const to = (id, theirs, ours = us, figure = 'cpu') => pairedRatio(row(id, ours, figure), row(id, theirs, figure));
  return [
    aim('poll with a known sid / original', to('poll', 'original'), 1 / 6),
    aim('poll with a known sid / http-proxy', to('poll', 'http-proxy'), 0.6),
    aim('poll with a known sid / HAProxy', to('poll', 'HAProxy'), 2),
    aim('poll without the fast path / floor', to('poll', 'floor', 'fastPath: false'), 1.15),
    aim('poll by wrk / HAProxy', to('wrk', 'HAProxy'), 2),
    aim('poll with 14 fields / HAProxy', to('fields', 'HAProxy'), 2),
    aim('GET that is held / HAProxy', to('answered', 'HAProxy'), 2),
    aim('p99 at half of the highest rate / HAProxy', to('latency', 'HAProxy', us, 'p99'), 1.3),
    aim('poll with an access listener / without', to('features', us, 'access listener'), 1.1),
    aim('poll in a fleet / without', to('features', us, 'fleet'), 1.1),
    aim('poll with --access-log / without', to('features', 'command', 'command, --access-log'), 1.1),
    aim('handshake, stored / original', to('handshake', 'original'), 1 / 4),
    aim('handshake, stored / HAProxy', to('handshake', 'HAProxy'), 2),
    aim('handshake, in memory / HAProxy', to('handshake', 'HAProxy', 'MemoryStore'), 2),
    aim('poll with 4,000 held / with 50', pairedRatio(point('held', 4000), point('held', 50)), 1.3),
    aim('WebSocket message / net pipe', to('websocket', 'net pipe'), 1.05),
    aim('WebSocket message of 64 KiB / net pipe', to('websocket-64k', 'net pipe'), 1.05),
    aim('idle WebSocket, KiB', row('idle', us, 'rss')?.median / 1024, 12),
    aim('held poll, KiB', row('idle-polls', us, 'rss')?.median / 1024, 16),
    aim('two workers / one, requests a second', pairedRatio(point('workers', 2, 'rps'), point('workers', 1, 'rps')), 1.7, {
      atLeast: true, ...enough ? {} : { unjudged: `${machine.cores} cores; this takes ${CORES_FOR_TWO_WORKERS}` },
    }),
    aim('bound session, bytes', last('sessions')?.bytes?.median, 200),
    aim(`poll with ${last('sessions')?.x ?? '?'} sessions / with ${first('sessions')?.x ?? '?'}`,
      pairedRatio(last('sessions')?.cpu, first('sessions')?.cpu), 1.2),
  ];
}

/**
 * With slack for machines that others use too, against what every machine has: what holds for every change. A ratio
 * counts as missed only where the rounds show that it is.
 */
export function judgeWithSlack({ rows, curves }) {
  const us = 'socket.io-proxy2';
  const row = (id, peer, figure = 'cpu') => rows.find((one) => one.id === id)?.peers[peer]?.[figure];
  const points = (id) => curves.find((one) => one.id === id)?.lines[us] ?? [];
  const held = points('held');
  return [
    ratio('poll with a known sid / http-proxy', row('poll', us), row('poll', 'http-proxy'), 0.85),
    ratio('handshake, stored / original', row('handshake', us), row('handshake', 'original'), 0.6),
    ratio('poll with 2,000 held / with 50', held.at(-1)?.cpu, held[0]?.cpu, 1.6),
    aim('bound session, bytes', points('sessions').at(-1)?.bytes?.median, 400),
    aim('idle WebSocket, KiB', row('idle', us, 'rss')?.median / 1024, 24),
  ];
}

function ratio(work, ours, theirs, bound) {
  const least = leastRatio(ours, theirs);
  return { ...aim(work, least, bound), figure: pairedRatio(ours, theirs), least };
}

function aim(work, figure, bound, { atLeast = false, unjudged } = {}) {
  const measured = figure !== undefined && !Number.isNaN(figure);
  const met = !measured || unjudged !== undefined ? undefined : atLeast ? figure >= bound : figure <= bound;
  return { work, figure: measured ? figure : undefined, bound, atLeast, met, unjudged };
}
