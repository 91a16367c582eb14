// Draws the chart of the README from a file of results: `node bench/chart.mjs results.json chart.svg`.
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const WIDTH = 860;
const LEFT = 170;
const BAR = 18;
const GAP = 8;
const PANEL = { width: 250, height: 150, left: 46, top: 46 };

/** Colours that keep apart on light and on dark, also for eyes that tell red from green badly. */
const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; font-size: 15px; } .small { font-size: 11px; fill: #57606a; }
  .axis { stroke: #8c959f; stroke-width: 1; } .grid { stroke: #d0d7de; stroke-width: 1; }
  .bar { fill: #8c959f; } .ours { fill: #0969da; }
  .line { fill: none; stroke-width: 2; } .dot { stroke: none; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .small { fill: #9198a1; } .axis { stroke: #656c76; } .grid { stroke: #3d444d; }
    .bar { fill: #656c76; } .ours { fill: #4493f8; }
  }`;

/** The curves that are drawn, and what stands above them. */
const PANELS = {
  held: 'a poll, by polls held', sessions: 'a poll, by sessions', 'hosts-poll': 'a poll, by hosts',
  'hosts-handshake': 'a handshake, by hosts', workers: 'a poll, by workers',
};

const COLOURS = { 'socket.io-proxy2': '#0969da', original: '#bc4c00', 'http-proxy': '#8250df', HAProxy: '#1a7f37' };

export function drawChart({ rows, curves, machine, versions, date }) {
  const parts = [];
  let y = 20;
  for (const [id, title] of [['poll', 'CPU a poll, µs'], ['handshake', 'CPU a handshake, stored in Redis, µs']]) {
    const row = rows.find((one) => one.id === id);
    if (!row) continue;
    parts.push(bars(row, title, y));
    y += 34 + Object.keys(row.peers).length * (BAR + GAP) + 16;
  }
  const panels = curves.filter(({ id }) => id in PANELS);
  panels.forEach((curve, i) => {
    parts.push(panel(curve, (i % 3) * (WIDTH / 3), y + Math.floor(i / 3) * (PANEL.height + 110)));
  });
  y += Math.ceil(panels.length / 3) * (PANEL.height + 110);
  const where = `${machine.cpu}, ${machine.cores} cores · Node ${versions.node}`;
  const note = `${where} · ${date.slice(0, 10)} · less is better`;
  parts.push(text(8, y, note, 'small'));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 12}" role="img" ` +
    `aria-label="CPU that a request costs in socket.io-proxy2 and in other proxies">\n<style>${STYLE}\n</style>\n` +
    `${parts.join('\n')}\n</svg>\n`;
}

function bars({ peers }, title, top) {
  const measured = Object.entries(peers).filter(([, figures]) => typeof figures === 'object')
    .map(([name, { cpu }]) => ({ name, cpu: cpu.median })).sort((a, b) => a.cpu - b.cpu);
  const scale = (WIDTH - LEFT - 70) / Math.max(...measured.map(({ cpu }) => cpu));
  const lines = measured.map(({ name, cpu }, i) => {
    const y = top + 18 + i * (BAR + GAP);
    const kind = name === 'socket.io-proxy2' ? 'ours' : 'bar';
    return text(LEFT - 8, y + 14, name, '', 'end') +
      `<rect class="${kind}" x="${LEFT}" y="${y}" width="${(cpu * scale).toFixed(1)}" height="${BAR}" rx="2"/>` +
      text(LEFT + cpu * scale + 6, y + 14, short(cpu));
  });
  return [text(8, top, title, 'title'), ...lines].join('\n');
}

function panel({ id, x: unit, lines }, left, top) {
  const points = Object.values(lines).flat();
  const [low, high] = [Math.min(...points.map(({ x }) => x)), Math.max(...points.map(({ x }) => x))];
  const most = ceiling(Math.max(...points.map(({ cpu }) => cpu.median)));
  const position = ({ x, cpu }) => [
    left + PANEL.left + (Math.log(x / low) / Math.log(high / low)) * PANEL.width * 0.76,
    top + PANEL.top + PANEL.height * (1 - cpu.median / most),
  ].map((value) => Number(value.toFixed(1)));
  const right = left + PANEL.left + PANEL.width * 0.76;
  const grid = [0, 0.5, 1].map((share) => {
    const y = top + PANEL.top + PANEL.height * (1 - share);
    const kind = share === 0 ? 'axis' : 'grid';
    return `<line class="${kind}" x1="${left + PANEL.left}" y1="${y}" x2="${right}" y2="${y}"/>` +
      text(left + PANEL.left - 6, y + 4, short(most * share), 'small', 'end');
  });
  const ticks = [...new Set(points.map(({ x }) => x))].map((x) => {
    const [at] = position({ x, cpu: { median: 0 } });
    return text(at, top + PANEL.top + PANEL.height + 15, compact(x), 'small', 'middle');
  });
  const drawn = Object.entries(lines).map(([name, all], i) => {
    const colour = COLOURS[name] ?? '#8c959f';
    const path = all.map(position);
    const dots = path.map(([x, y]) => `<circle class="dot" cx="${x}" cy="${y}" r="3" fill="${colour}"/>`).join('');
    const key = left + 8 + (i === 0 ? 0 : 122 + (i - 1) * 80);
    return `<polyline class="line" stroke="${colour}" points="${path.join(' ')}"/>${dots}` +
      `<rect x="${key}" y="${top + 14}" width="10" height="10" fill="${colour}"/>` +
      text(key + 14, top + 23, name, 'small');
  });
  return [
    text(left + 8, top, `CPU ${PANELS[id]}, µs`, 'title'), ...grid, ...ticks, ...drawn,
    text((left + PANEL.left + right) / 2, top + PANEL.top + PANEL.height + 30, unit, 'small', 'middle'),
  ].join('\n');
}

/** The next round number above. */
function ceiling(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return unit * ([1, 2, 2.5, 5, 10].find((step) => step * unit >= value) ?? 10);
}

function short(value) {
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
}

function compact(value) {
  return value >= 1000 ? `${value / 1000}k` : String(value);
}

function text(x, y, content, kind = '', anchor = 'start') {
  const escaped = content.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  return `<text class="${kind}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped}</text>`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , from, to] = process.argv;
  writeFileSync(to, drawChart(JSON.parse(readFileSync(from, 'utf8'))));
}
