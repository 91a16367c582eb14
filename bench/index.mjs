import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { judge, judgeWithSlack } from './aims.mjs';
import { drawChart } from './chart.mjs';
import { startHosts } from './hosts.mjs';
import { describeMachine, describeVersions } from './machine.mjs';
import { endAll, isInstalled } from './processes.mjs';
import { startRedis } from './redis.mjs';
import { print, printAims } from './report.mjs';
import { rounded } from './rounded.mjs';
import { scaleOf } from './scale.mjs';
import { accepting } from './suites/accepting.mjs';
import { frame } from './suites/frame.mjs';
import { held } from './suites/held.mjs';
import { latency } from './suites/latency.mjs';
import { nodes } from './suites/nodes.mjs';
import { answered, features, fields, handshake, poll } from './suites/requests.mjs';
import { hosts, workers } from './suites/scaling.mjs';
import { sessions } from './suites/sessions.mjs';
import { idle, websocket } from './suites/websockets.mjs';
import { wrk } from './suites/wrk.mjs';

const SUITES = {
  poll, wrk, handshake, fields, answered, latency, features, held, websocket, idle, workers, sessions, hosts, frame,
};

/** Those that are measured only where `--only` names them: they fetch programs. */
const ON_DEMAND = { nodes, accepting };

/** The suites that `--assert` runs. */
const ASSERTED = ['poll', 'handshake', 'held', 'sessions', 'idle'];

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    assert: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    peer: { type: 'string', multiple: true },
    rounds: { type: 'string' },
    against: { type: 'string' },
    profile: { type: 'string' },
    json: { type: 'string' },
    svg: { type: 'string' },
  },
});

process.once('SIGINT', () => void stop(130));
process.once('SIGTERM', () => void stop(143));

try {
  const ok = await main();
  await endAll();
  process.exitCode = ok ? 0 : 1;
} catch (error) {
  console.error(error);
  await endAll();
  process.exitCode = 1;
}

async function main() {
  const names = flags.only ?? (flags.assert ? ASSERTED : Object.keys(SUITES));
  const suites = { ...SUITES, ...ON_DEMAND };
  const unknown = names.find((name) => !(name in suites));
  if (unknown) throw new Error(`'${unknown}' is none of ${Object.keys(suites).join(', ')}`);
  if (!isInstalled('redis-server')) throw new Error('redis-server is not on the PATH');
  const result = {
    date: new Date().toISOString(), machine: describeMachine(), versions: describeVersions(), rows: [], curves: [],
  };
  const { machine, versions } = result;
  console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.memory}, ${machine.kernel}`);
  console.log(Object.entries(versions).map(([name, version]) => `${name} ${version ?? '–'}`).join(', '));
  const redis = await startRedis();
  const context = contextOf(machine, redis.port);
  for (const name of names) {
    for (const one of await suites[name](context)) {
      result[one.lines ? 'curves' : 'rows'].push(one);
      print(one);
    }
  }
  await redis.end();
  result.seconds = Math.round(performance.now() / 1000);
  result.aims = flags.assert ? judgeWithSlack(result) : judge(result);
  printAims(result.aims);
  console.log(`\n${result.seconds} s`);
  if (flags.json) writeFileSync(flags.json, `${JSON.stringify(rounded(result), undefined, 1)}\n`);
  if (flags.svg) writeFileSync(flags.svg, drawChart(result));
  return !flags.assert || result.aims.every(({ met, figure }) => met || (flags.only && figure === undefined));
}

function contextOf(machine, redisPort) {
  const main = fileURLToPath(new URL('../dist/index.js', import.meta.url));
  const against = flags.against && resolve(flags.against);
  const execArgv = flags.profile ? ['--cpu-prof', `--cpu-prof-dir=${resolve(flags.profile)}`] : [];
  const ours = {
    'socket.io-proxy2': { main, execArgv },
    'fastPath: false': { main, options: { fastPath: false } },
    MemoryStore: { main, redisPort: undefined },
    SidStore: { main, redisPort: undefined, hasTokens: true },
    'access listener': { main, listens: true },
    fleet: { main, options: { fleet: true } },
    'command, --access-log': { flags: ['--access-log', 'json'] },
    workers: { main },
    against: { main: against, execArgv },
  };
  return {
    machine,
    scale: scaleOf(flags),
    subjects: ['socket.io-proxy2', ...against ? ['against'] : []],
    // What a continuous integration has not, or need not know.
    peers: flags.peer ?? (flags.assert ? ['original', 'http-proxy'] : undefined),
    startHosts: (count) => startHosts(count, { raw: flags.assert }),
    optionsOf: (name, options) => ({ redisPort, ...ours[name], ...options }),
    settle: () => sleep(100),
  };
}

async function stop(code) {
  await endAll();
  process.exit(code);
}
