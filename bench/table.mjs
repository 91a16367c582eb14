// Writes the README's table from a file of results: `node bench/table.mjs results.json README.md`.
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { pairedRatio } from './measure.mjs';

const MARKS = ['<!-- bench -->', '<!-- /bench -->'];

const US = 'socket.io-proxy2';

/** What the table calls them, where the name alone would not tell. */
const LABELS = {
  [US]: `**${US}**`,
  'fastPath: false': `${US}, \`fastPath: false\``,
  MemoryStore: `${US}, \`MemoryStore\``,
  SidStore: `${US}, \`SidStore\``,
  floor: '*the least with `node:http`*',
  'net floor': '*the least with `node:net`*',
};

/** The table as Markdown: what a poll and a handshake cost in ours and in every peer, and what the rest of the run says. */
export function tableOf({ rows, curves, machine, versions, date }) {
  const [poll, handshake, websocket] = ['poll', 'handshake', 'websocket'].map((id) => rows.find((row) => row.id === id).peers);
  const names = Object.keys(poll).filter((name) => typeof poll[name] === 'object');
  const lines = names.sort((a, b) => poll[a].cpu.median - poll[b].cpu.median).map((name) => {
    const { cpu, rps, p50, p99 } = poll[name];
    const opened = handshake[name] ? range(handshake[name].cpu) : '–';
    const cells = [range(cpu), count(rps), p50.median.toFixed(1), p99.median.toFixed(1), opened];
    return `| ${[LABELS[name] ?? name, ...cells].join(' | ')} |`;
  });
  const programs = ['node', 'http-proxy', 'HAProxy', 'nginx'].map((name) => `${name} ${versions[name]}`).join(', ');
  return [
    '| Proxy | CPU a poll, µs | Polls a second | p50, ms | p99, ms | CPU a handshake, µs |',
    '|---|---|---|---|---|---|',
    ...lines,
    '',
    ...sentences({ rows, curves, poll, handshake, websocket }).map((sentence) => `- ${sentence}`),
    '',
    `${machine.cpu}, ${machine.cores} cores, ${machine.memory}; ${programs}; ${date.slice(0, 10)}.`,
  ].join('\n');
}

function sentences({ rows, curves, poll, handshake, websocket }) {
  const points = (id) => curves.find((curve) => curve.id === id).lines[US];
  const at = (id, x) => points(id).find((point) => point.x === x).cpu;
  const last = (id) => points(id).at(-1);
  const to = (row) => ratio(row[US].cpu, row.HAProxy.cpu);
  const beside = poll.HAProxy?.cpu && `A poll costs ${to(poll)} what it costs in HAProxy, and a handshake, which waits for ` +
    `Redis, ${to(handshake)}. On a machine with other tenants these ratios rise.`;
  const held = `A poll while 4,000 other sessions hold one costs ${ratio(at('held', 4000), at('held', 50))} what it costs with 50.`;
  const { x, bytes, cpu } = last('sessions');
  const sessions = `Each of ${x.toLocaleString('en')} bound sessions takes ${bytes.median.toFixed(0)} bytes, and a poll of any of them ` +
    `${ratio(cpu, points('sessions')[0].cpu)} what it costs with ${points('sessions')[0].x}.`;
  const idle = (id) => (rows.find((row) => row.id === id).peers[US].rss.median / 1024).toFixed(0);
  const message = `A WebSocket message there and back costs ${ratio(websocket[US].cpu, websocket['net pipe'].cpu)} ` +
    `what a bare pipe of \`node:net\` takes. An idle WebSocket holds ${idle('idle')} KiB, a held poll ${idle('idle-polls')} KiB.`;
  const stored = poll.SidStore?.cpu && `With a \`SidStore\` a poll costs ${ratio(poll.SidStore.cpu, poll.MemoryStore.cpu)} what it costs ` +
    `with a \`MemoryStore\`, and a handshake ${ratio(handshake.SidStore.cpu, handshake.MemoryStore.cpu)}.`;
  const { median } = rows.find(({ id }) => id === 'frame').peers['http-proxy'].cpu;
  const frame = `http-proxy, whose passes each request goes through, takes ${median.toFixed(2)} µs of a poll.`;
  return [...beside ? [beside] : [], ...stored ? [stored] : [], held, sessions, message, frame];
}

function ratio(ours, theirs) {
  return `${pairedRatio(ours, theirs).toFixed(2)} times`;
}

function range({ min, median, max }) {
  return `${median.toFixed(0)} (${min.toFixed(0)}–${max.toFixed(0)})`;
}

function count({ median }) {
  return (Math.round(median / 100) * 100).toLocaleString('en');
}

/** The text with the table of these results between the marks. */
export function withTable(text, results) {
  const [start, end] = MARKS.map((mark) => text.indexOf(mark));
  if (start === -1 || end === -1) throw new Error(`a mark is missing: ${MARKS.join(' … ')}`);
  return `${text.slice(0, start + MARKS[0].length)}\n${tableOf(results)}\n${text.slice(end)}`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , from, to] = process.argv;
  writeFileSync(to, withTable(readFileSync(to, 'utf8'), JSON.parse(readFileSync(from, 'utf8'))));
}
