// What sessions cost that do nothing but live: memory, CPU and Redis, of the command as it is run, behind Socket.IO's own
// heartbeat. `docs/operating.md` computes its table of sizes from what this writes.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createClient } from 'redis';
import { describeMachine, describeVersions } from './machine.mjs';
import { endAll, freePorts, isInstalled, start, startProgram } from './processes.mjs';
import { startRedis } from './redis.mjs';
import { rounded } from './rounded.mjs';

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

/** How many sessions, as far as the limit of descriptors allows it: a session takes two in the proxy. */
const COUNTS = [1000, 10_000];

/** Descriptors that the proxy needs for other things: connections that are idle, Redis, the admin server. */
const SPARE = 400;

/** Socket.IO's default `pingInterval`, in seconds: what is measured takes two of them. */
const PING_INTERVAL = 25;

const { values: flags } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, json: { type: 'string' } },
});

/** In seconds. */
const duration = flags.quick ? PING_INTERVAL : 2 * PING_INTERVAL;

process.once('SIGINT', () => void endAll().then(() => process.exit(130)));
process.once('SIGTERM', () => void endAll().then(() => process.exit(143)));

try {
  await main();
} finally {
  await endAll();
}

async function main() {
  if (!isInstalled('redis-server')) throw new Error('redis-server is not on the PATH');
  const limit = process.report.getReport().userLimits.open_files.hard;
  const most = limit === 'unlimited' ? Infinity : Math.floor((Number(limit) - SPARE) / 2);
  const result = {
    date: new Date().toISOString(), machine: describeMachine(), versions: describeVersions(), descriptors: limit, runs: [],
  };
  for (const transport of ['websocket', 'polling']) {
    for (const count of COUNTS) {
      const run = await measure(transport, Math.min(count, most));
      result.runs.push(run);
      print(run);
    }
  }
  result.each = Object.fromEntries(['websocket', 'polling'].map((transport) => [transport, eachOf(result.runs, transport)]));
  console.log(JSON.stringify(rounded(result.each), undefined, 1));
  if (flags.json) writeFileSync(flags.json, `${JSON.stringify(rounded(result), undefined, 1)}\n`);
}

/** A proxy, its hosts, Redis and the clients are started anew each time: no figure is the last run's leftover. */
async function measure(transport, sessions) {
  const server = await startRedis();
  const redis = await createClient({ url: `redis://127.0.0.1:${server.port}` }).on('error', () => {}).connect();
  const hosts = Array.from({ length: 3 }, () => start('../test/fixtures/host.mjs', { execArgv: [] }));
  const ports = await Promise.all(hosts.map((host) => host.call('start', {})));
  const proxy = await startProxy(ports, server.port);
  const clients = start('./sizing/clients.mjs', { execArgv: [] });
  // One session first: what each kind of request needs once is not what a session needs.
  await clients.call('open', { port: proxy.port, transport, sessions: 1 });
  await sleep(3000);
  const before = { proxy: await proxy.figures(), redis: await redisFigures(redis) };
  const openedAt = performance.now();
  await clients.call('open', { port: proxy.port, transport, sessions: sessions - 1 });
  const opening = (performance.now() - openedAt) / 1000;
  // What the opening has begun is over, and every session has its first heartbeats.
  await sleep(3000);
  const opened = { proxy: await proxy.figures(), redis: await redisFigures(redis) };
  const heartbeats = (await clients.call('counts')).pings;
  const { peak, seconds } = await watch(proxy);
  const after = { proxy: await proxy.figures(), redis: await redisFigures(redis) };
  const counts = await clients.call('counts');
  const known = await proxy.sessions();
  if (counts.failures > 0 || known < sessions) throw new Error(`${known} of ${sessions} sessions live`);
  const key = await redis.randomKey();
  const run = {
    transport, sessions,
    memory: { before: before.proxy.memory, peak: Math.max(peak, opened.proxy.memory), after: after.proxy.memory },
    openingCpu: (opened.proxy.cpu - before.proxy.cpu) / sessions * 1e6,
    opening,
    cpu: (after.proxy.cpu - opened.proxy.cpu) / seconds,
    lag: after.proxy.lag,
    descriptors: opened.proxy.descriptors,
    heartbeats: (counts.pings - heartbeats) / seconds,
    redis: {
      memory: (opened.redis.memory - before.redis.memory) / sessions,
      key: await redis.memoryUsage(key),
      commands: (after.redis.commands - opened.redis.commands) / seconds,
      cpu: (after.redis.cpu - opened.redis.cpu) / seconds,
    },
  };
  await clients.call('close');
  redis.destroy();
  await endAll();
  return run;
}

/** The command, whose own metrics tell what it uses. */
async function startProxy(hosts, redisPort) {
  const [port, adminPort] = await freePorts(2);
  const args = [
    CLI, '--hosts', hosts.map((host) => `127.0.0.1:${host}`).join(), '--redis', `redis://127.0.0.1:${redisPort}`,
    '--bind', '127.0.0.1', '--port', String(port), '--admin-port', String(adminPort),
  ];
  await startProgram(process.execPath, args, port, mkdtempSync(join(tmpdir(), 'bench-sizing-')));
  const metrics = async () => (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  return {
    port,
    async figures() {
      const text = await metrics();
      return {
        memory: sumOf(text, 'process_resident_memory_bytes'),
        cpu: sumOf(text, 'process_cpu_seconds_total'),
        lag: sumOf(text, 'nodejs_eventloop_lag_p99_seconds'),
        descriptors: sumOf(text, 'process_open_fds'),
      };
    },
    sessions: async () => sumOf(await metrics(), 'socketio_proxy_sessions'),
  };
}

/** The largest resident size while nothing but heartbeats happen, looked at once in a few seconds. */
async function watch(proxy) {
  const since = performance.now();
  let peak = 0;
  while (performance.now() - since < duration * 1000) {
    await sleep(Math.min(5000, Math.max(0, duration * 1000 - (performance.now() - since))));
    peak = Math.max(peak, (await proxy.figures()).memory);
  }
  return { peak, seconds: (performance.now() - since) / 1000 };
}

async function redisFigures(redis) {
  const text = await redis.info();
  const of = (name) => Number(new RegExp(`^${name}:(\\S+)`, 'm').exec(text)[1]);
  return {
    memory: of('used_memory'),
    commands: of('total_commands_processed'),
    cpu: of('used_cpu_user') + of('used_cpu_sys'),
  };
}

/** The sum of a metric's values, whatever their labels. */
function sumOf(text, name) {
  const values = Array.from(text.matchAll(new RegExp(`^${name}(?:{.*})? (\\S+)$`, 'gm')), ([, value]) => Number(value));
  return values.reduce((sum, value) => sum + value, 0);
}

/** From two numbers of sessions: what there is without any, and what each of them adds. */
function eachOf(runs, transport) {
  const [few, many] = runs.filter((run) => run.transport === transport);
  const more = many.sessions - few.sessions;
  const each = (pick) => (pick(many) - pick(few)) / more;
  const memory = each(({ memory: { peak } }) => peak);
  return {
    base: few.memory.peak - few.sessions * memory,
    memory,
    cpu: each(({ cpu }) => cpu),
    openingCpu: many.openingCpu,
    descriptors: each(({ descriptors }) => descriptors),
    redisMemory: many.redis.memory,
    redisCommands: each(({ redis }) => redis.commands),
    redisCpu: each(({ redis }) => redis.cpu),
  };
}

function print({ transport, sessions, memory, cpu, openingCpu, opening, lag, descriptors, heartbeats, redis }) {
  const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  console.log(`${sessions} sessions by ${transport}, opened in ${opening.toFixed(1)} s: ${mib(memory.before)} before, ` +
    `${mib(memory.peak)} at most, ${mib(memory.after)} after; ${descriptors} descriptors; ` +
    `${(cpu * 1000).toFixed(1)} ms CPU a second for ${heartbeats.toFixed(0)} heartbeats, ${openingCpu.toFixed(0)} µs to open; ` +
    `lag ${(lag * 1000).toFixed(0)} ms; Redis ${redis.memory.toFixed(0)} bytes (key ${redis.key}), ` +
    `${redis.commands.toFixed(0)} commands a second, ${(redis.cpu * 1000).toFixed(1)} ms CPU a second`);
}
