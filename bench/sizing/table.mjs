// Writes the table of sizes: `node bench/sizing/table.mjs sizing.json results.json operating.md`. Every column is computed
// from what one session costs; the formulas stand beside the table.
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const MARKS = ['<!-- sizing -->', '<!-- /sizing -->'];

const CLIENTS = [1000, 10_000, 100_000, 1_000_000];

/** How many sessions a process is to have: with two descriptors each, fewer than 65,536. */
const PER_PROCESS = 30_000;

/** What part of a core a process is to use on an ordinary day: the rest is for the other days. */
const LOAD = 0.5;

/** Ports that Linux gives to outgoing connections by default, towards one address and port. */
const PORTS = 60_999 - 32_768 + 1;

/** In how many seconds all clients come back. */
const STORM = 60;

/** What `n` clients need. Of CPU: cores, which is seconds a second. */
export function sizesOf(n, { each: { websocket, polling } }, { rows }) {
  const cpuOf = (id) => rows.find((row) => row.id === id).peers['socket.io-proxy2'].cpu.median / 1e6;
  const messages = n * cpuOf('websocket');
  const processes = Math.ceil(Math.max(n / PER_PROCESS, (n * websocket.cpu + messages) / LOAD));
  const worst = (name) => n * Math.max(websocket[name], polling[name]);
  return {
    processes,
    websocketMemory: processes * websocket.base + n * websocket.memory,
    pollingMemory: processes * polling.base + n * polling.memory,
    websocketCpu: n * websocket.cpu,
    pollingCpu: n * polling.cpu,
    messages,
    polledMessages: n * 2 * cpuOf('poll'),
    storm: n * Math.max(websocket.openingCpu, polling.openingCpu) / 1e6 / STORM,
    rate: n / STORM,
    descriptors: 2 * n,
    hosts: Math.ceil(n / PORTS),
    redisMemory: worst('redisMemory'),
    redisCommands: worst('redisCommands'),
    redisCpu: worst('redisCpu'),
  };
}

const ROWS = [
  ['processes, with a core each', ({ processes }) => whole(processes)],
  ['memory of all, WebSockets', ({ websocketMemory }) => bytes(websocketMemory)],
  ['memory of all, held polls', ({ pollingMemory }) => bytes(pollingMemory)],
  ['cores, idle WebSockets', ({ websocketCpu }) => cores(websocketCpu)],
  ['cores, idle polling', ({ pollingCpu }) => cores(pollingCpu)],
  ['cores more, if each sends a message a second and gets one, by WebSocket', ({ messages }) => cores(messages)],
  ['the same by polling', ({ polledMessages }) => cores(polledMessages)],
  [`new sessions a second, if all come back within ${STORM} s`, ({ rate }) => whole(Math.round(rate))],
  ['cores for these', ({ storm }) => cores(storm)],
  ['descriptors of all', ({ descriptors }) => whole(descriptors)],
  [`hosts at least, if all proxies have one address (${whole(PORTS)} ports)`, ({ hosts }) => whole(hosts)],
  ['Redis: memory', ({ redisMemory }) => bytes(redisMemory)],
  ['Redis: commands a second', ({ redisCommands }) => whole(Math.round(redisCommands))],
  ['Redis: cores', ({ redisCpu }) => cores(redisCpu)],
];

/** As Markdown, with what was measured below it. */
export function tableOf(sizing, results) {
  const sizes = CLIENTS.map((n) => sizesOf(n, sizing, results));
  const { machine, versions, date, runs, each } = sizing;
  const names = { websocket: 'A WebSocket', polling: 'A session by polling' };
  return [
    `| Clients | ${CLIENTS.map(whole).join(' | ')} |`,
    `|---|${'---|'.repeat(CLIENTS.length)}`,
    ...ROWS.map(([name, cell]) => `| ${name} | ${sizes.map(cell).join(' | ')} |`),
    '',
    ...Object.entries(names).map(([transport, name]) => `- ${sentenceOf(name, each[transport], runs, transport)}`),
    '',
    `${machine.cpu}, ${machine.cores} cores, ${machine.memory}; node ${versions.node}, Redis ${versions.redis_server}; ` +
      `${date.slice(0, 10)}.`,
  ].join('\n');
}

function sentenceOf(name, { memory, cpu, openingCpu, redisMemory, redisCommands }, runs, transport) {
  const measured = runs.filter((run) => run.transport === transport)
    .map((run) => `${whole(run.sessions)} of them: ${bytes(run.memory.peak)}`).join('; ');
  return `${name}: ${(memory / 1024).toFixed(1)} KiB, ${(cpu * 1e6).toFixed(1)} µs of CPU a second while it is idle, ` +
    `${openingCpu.toFixed(0)} µs to open; in Redis ${redisMemory.toFixed(0)} bytes, ${redisCommands.toFixed(2)} commands a second. ` +
    `Measured, at their highest: ${measured}.`;
}

function whole(value) {
  return value.toLocaleString('en');
}

function cores(value) {
  return value < 0.01 ? 'under 0.01' : Number(value.toPrecision(2)).toString();
}

function bytes(value) {
  const mib = value / 2 ** 20;
  return mib < 1000 ? `${Number(mib.toPrecision(2))} MiB` : `${(mib / 1024).toFixed(1)} GiB`;
}

/** The text with the table of these results between the marks. */
export function withTable(text, sizing, results) {
  const [start, end] = MARKS.map((mark) => text.indexOf(mark));
  if (start === -1 || end === -1) throw new Error(`a mark is missing: ${MARKS.join(' … ')}`);
  return `${text.slice(0, start + MARKS[0].length)}\n${tableOf(sizing, results)}\n${text.slice(end)}`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , sizing, results, to] = process.argv;
  const [measured, bench] = [sizing, results].map((file) => JSON.parse(readFileSync(file, 'utf8')));
  writeFileSync(to, withTable(readFileSync(to, 'utf8'), measured, bench));
}
