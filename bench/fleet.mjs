// What the beats of a fleet cost one Redis: `npm run build && node bench/fleet.mjs`.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createClient } from 'redis';
import { Fleet } from '../dist/fleet/fleet.js';
import { RedisFleet } from '../dist/fleet/redis-fleet.js';
import { describeMachine, describeVersions } from './machine.mjs';
import { endAll } from './processes.mjs';
import { startRedis } from './redis.mjs';

const MEMBERS = [3, 10, 50];
const HOSTS = [3, 30, 300];

/** How many sids of each member are in its sample. */
const SIDS = 1000;

/** How many beats the members make before and while they are measured: with each of them the interval adapts. */
const WARM_UP = 3;
const MEASURED = 5;

const HEADS = ['Members', 'Hosts', 'A record, KB', 'Interval, s', 'Commands a second', 'In, KB/s', 'Out, KB/s', 'CPU of Redis',
  'A beat in Redis, ms', 'CPU of a member'];

const { values: { members: only } } = parseArgs({ options: { members: { type: 'string' } } });

const redis = await startRedis();
try {
  const url = `redis://127.0.0.1:${redis.port}`;
  const admin = await createClient({ url }).connect();
  console.log(`| ${HEADS.join(' | ')} |\n|${'---|'.repeat(HEADS.length)}`);
  for (const members of only === undefined ? MEMBERS : [Number(only)]) {
    for (const hosts of HOSTS) console.log(rowOf(await measure(admin, url, members, hosts)));
  }
  admin.destroy();
  const { cpu, cores } = describeMachine();
  const { node, redis_server: server } = describeVersions();
  console.log(`\n${cpu}, ${cores} cores; Node.js ${node}, Redis ${server}.`);
} finally {
  await endAll();
}

async function measure(admin, url, count, hosts) {
  await admin.flushAll();
  const members = await Promise.all(Array.from({ length: count }, () => startMember(url, hosts)));
  try {
    const interval = () => Math.max(...members[0].fleet.members.map(({ record }) => record.interval));
    for (let beats = 0; beats < WARM_UP; beats += 1) await sleep(interval());
    const [before, cpu, start] = [await statsOf(admin), process.cpuUsage(), performance.now()];
    await sleep(MEASURED * interval());
    const [after, used, seconds] = [await statsOf(admin), process.cpuUsage(cpu), (performance.now() - start) / 1000];
    const each = Object.fromEntries(Object.keys(after).map((name) => [name, (after[name] - before[name]) / seconds]));
    const own = (used.user + used.system) / 1e6 / seconds / count;
    const [{ record }] = members;
    return { count, hosts, record: record.length, interval: interval(), ...each, own };
  } finally {
    await Promise.all(members.map(({ end }) => end()));
  }
}

/** A member with a Redis client of its own. */
async function startMember(url, count) {
  const client = await createClient({ url }).connect();
  const evaluate = (script, keys, args) => client.eval(script, { keys: [...keys], arguments: [...args] });
  const member = { record: '' };
  const redisFleet = new RedisFleet(evaluate, 'socket.io#');
  const store = {
    beat(beat) {
      member.record = beat.record;
      return redisFleet.beat(beat);
    },
  };
  const self = selfOf(count);
  member.fleet = new Fleet({ id: randomBytes(4).toString('hex'), timeout: 1000, life: 60_000 }, store, () => self);
  await member.fleet.start();
  member.end = async () => {
    await member.fleet.stop();
    client.destroy();
  };
  return member;
}

function selfOf(count) {
  const hosts = Array.from({ length: count }, (_, i) => {
    const size = Math.floor(SIDS * (i + 1) / count) - Math.floor(SIDS * i / count);
    const sids = Int32Array.from({ length: size }, () => randomBytes(4).readInt32LE());
    const shown = { state: 'up', sessions: 10 * size, tunnels: 9 * size, polls: size, handshakesPerSecond: 1.5, idle: false };
    return { host: `10.0.${i >> 8}.${i & 255}:3000`, ...shown, sids };
  });
  const spelling = { hosts: 'a1b2c3d4e5f6', path: '/socket.io/', keyPrefix: 'socket.io#' };
  return { version: '1.0.0', ready: true, workers: 2, spelling, hosts, level: 3, without: [] };
}

async function statsOf(admin) {
  const info = await admin.info('everything');
  const [, calls = 0, time = 0] = /^cmdstat_eval:calls=(\d+),usec=(\d+)/m.exec(info) ?? [];
  const value = (name) => Number(new RegExp(`^${name}:(.+)$`, 'm').exec(info)?.[1]);
  return {
    commands: value('total_commands_processed'),
    input: value('total_net_input_bytes'),
    output: value('total_net_output_bytes'),
    cpu: value('used_cpu_user') + value('used_cpu_sys'),
    beats: Number(calls),
    beatTime: Number(time) / 1000,
  };
}

function rowOf({ count, hosts, record, interval, commands, input, output, cpu, beats, beatTime, own }) {
  const kb = (bytes) => (bytes / 1000).toLocaleString('en', { maximumFractionDigits: bytes < 10_000 ? 1 : 0 });
  const percent = (part) => `${(100 * part).toFixed(1)} %`;
  const cells = [count, hosts, kb(record), (interval / 1000).toFixed(1), commands.toFixed(0), kb(input), kb(output), percent(cpu)];
  return `| ${[...cells, (beatTime / beats).toFixed(2), percent(own)].join(' | ')} |`;
}
