/** Prints a row or a curve as a table: median, and smallest to largest. */
export function print(result) {
  console.log(`\n${result.title}${result.hosts ? ` (hosts: ${result.hosts})` : ''}`);
  if (result.lines) {
    const rows = Object.entries(result.lines).flatMap(([name, points]) =>
      points.map((point) => [name, point.x.toLocaleString('en'), ...cellsOf(point)]));
    table([['', result.x, ...headsOf(result)], ...rows]);
  } else {
    const rows = Object.entries(result.peers).map(([name, figures]) =>
      [name, ...typeof figures === 'string' ? [figures] : cellsOf(figures)]);
    table([['', ...headsOf(result)], ...rows]);
  }
}

export function printAims(aims) {
  const figureOf = ({ figure, least }) => {
    if (figure === undefined) return 'not measured';
    return least === undefined ? short(figure) : `${short(figure)}, at least ${short(least)}`;
  };
  console.log('\nAims');
  table([['', 'figure', 'aim', ''], ...aims.map((one) => [
    one.work, figureOf(one), `${one.atLeast ? '≥' : '≤'} ${short(one.bound)}`,
    one.unjudged ?? (one.met === undefined ? '' : one.met ? 'met' : 'NOT MET'),
  ])]);
}

const COLUMNS = {
  cpu: ['CPU, µs', (spread) => range(spread, 1)],
  rps: ['requests/s', ({ median }) => Math.round(median).toLocaleString('en')],
  first: ['of it first, µs', ({ median }) => median.toFixed(1)],
  uneven: ['uneven', ({ median }) => median.toFixed(2)],
  p50: ['p50, ms', ({ median }) => median.toFixed(2)],
  p99: ['p99, ms', ({ median }) => median.toFixed(2)],
  bytes: ['bytes/session', ({ median }) => median.toFixed(0)],
  rss: ['resident, KiB', (spread) => range(spread, 1024)],
  heap: ['of it heap, KiB', (spread) => range(spread, 1024)],
};

function headsOf({ peers, lines }) {
  const all = peers ? Object.values(peers) : Object.values(lines).flat();
  const figures = all.filter((one) => typeof one === 'object');
  return Object.keys(COLUMNS).filter((key) => figures.some((one) => one[key])).map((key) => COLUMNS[key][0]);
}

function cellsOf(figures) {
  return Object.entries(COLUMNS).filter(([key]) => figures[key]).map(([key, [, show]]) => show(figures[key]));
}

function range({ min, median, max }, unit) {
  const [low, middle, high] = [min, median, max].map((value) => short(value / unit));
  return min === max ? middle : `${middle} (${low}–${high})`;
}

function short(value) {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function table(rows) {
  const widths = [];
  for (const row of rows) row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, cell.length));
  for (const row of rows) {
    console.log(row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join('  '));
  }
}
