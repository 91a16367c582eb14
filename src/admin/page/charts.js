import uPlot from '/uplot/uPlot.esm.js';
import { colour, DASH_PATTERNS } from './colours.js';
import { byId, element, setAttribute, setText } from './dom.js';
import { brief, clock, count, milliseconds, rate } from './format.js';
import { ownTag, showOwnTags } from './figures.js';
import { History } from './history.js';
import { slotOf } from './slots.js';
import { sum } from './rates.js';
import { tooltip } from './tooltip.js';

const HEIGHT = 150;

/** Of the values that a chart shows: what is said of one, and of all at present. */
const CHARTS = [
  {
    metric: 'sessions', fleetMetric: 'fleetSessions', title: 'Sessions', least: 5, say: count,
    present: (values) => count(sum(values, (value) => value)),
  },
  { metric: 'requests', title: 'Requests a second', least: 1, say: rate, present: (values) => rate(sum(values, (value) => value)) },
  {
    metric: 'latency', title: 'Latency of handshakes and POSTs', least: 1, say: (ms) => milliseconds(ms === null ? null : ms / 1000),
    present: (values) => (values.some((value) => value !== null) ? `up to ${milliseconds(Math.max(...values.map(Number)) / 1000)}` : '–'),
  },
];

/** The three charts. They are drawn when there is something new and the page can be seen. */
export class Charts {
  #history = new History();
  #charts = CHARTS.map((chart) => new Chart(chart, this.#history));

  constructor() {
    byId('charts').append(...this.#charts.map(({ element: figure }) => figure));
    const redraw = () => this.#charts.forEach((chart) => chart.draw());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
    document.addEventListener('visibilitychange', redraw);
  }

  /** Adds a snapshot's rows, with this proxy's figures. */
  push(rows) {
    this.#history.push(Date.now() / 1000, rows);
  }

  /** @param figures of which they are: `fleet` or `proxy`. */
  show(figures) {
    for (const chart of this.#charts) chart.figures = figures;
    showOwnTags(byId('charts'), figures);
    setText(byId('charts-title'), `Last ${minutesOf(this.#history.span)}`);
    for (const chart of this.#charts) chart.draw();
  }

  gap() {
    this.#history.gap();
  }
}

class Chart {
  element;
  figures = 'proxy';
  #chart;
  #history;
  #box = element('div', { class: 'plot', role: 'img' });
  #present = element('span', { class: 'present' });
  #plot;
  #hosts = '';

  constructor(chart, history) {
    this.#chart = chart;
    this.#history = history;
    const title = element('span', {}, chart.title, ...(chart.fleetMetric === undefined ? [ownTag()] : []));
    const caption = element('figcaption', {}, title, this.#present);
    this.element = element('figure', { class: 'panel' }, caption, this.#box);
    setAttribute(this.#box, 'aria-label', `${chart.title}: no figures yet`);
    new ResizeObserver(([{ contentRect }]) => this.#resize(contentRect.width)).observe(this.#box);
  }

  draw() {
    if (document.hidden || this.#history.times.length === 0) return;
    const { fleetMetric, title, say, present } = this.#chart;
    const whose = this.figures === 'fleet' ? `, of ${fleetMetric === undefined ? 'this proxy' : 'the fleet'}` : '';
    const { hosts } = this.#history;
    if (hosts.join('\n') !== this.#hosts || this.#plot === undefined) this.#create(hosts);
    const data = this.#data();
    this.#plot?.setData(data);
    const values = data.slice(1).map((list) => list.at(-1));
    setText(this.#present, hosts.length === 0 ? '–' : present(values));
    const words = hosts.map((host, at) => `${host} ${values[at] === null ? 'none' : say(values[at])}`).join(', ');
    const said = `${title}${whose}, the last ${minutesOf(this.#history.span)}`;
    setAttribute(this.#box, 'aria-label', `${said}. At present: ${words || 'no hosts'}.`);
  }

  #resize(width) {
    if (width === 0) return;
    if (this.#plot === undefined) this.draw();
    else if (Math.abs(this.#plot.width - width) >= 1) this.#plot.setSize({ width, height: HEIGHT });
  }

  #create(hosts) {
    const width = this.#box.clientWidth;
    if (width === 0) return;
    this.#plot?.destroy();
    this.#hosts = hosts.join('\n');
    const { say, least, metric } = this.#chart;
    this.#plot = new uPlot({
      width,
      height: HEIGHT,
      padding: [8, 24, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: 'charts' }, points: { size: 7 } },
      scales: { x: { range: () => this.#range() }, y: { range: (_, __, max) => [0, Math.max(least, (max ?? 0) * 1.1)] } },
      axes: [
        axis({ space: 70, size: 24, values: (_, times) => times.map(clockOf(this.#history.span)) }),
        axis({ space: 32, size: metric === 'latency' ? 50 : 44, values: (_, values) => values.map(this.#tick) }),
      ],
      series: [{}, ...hosts.map(lineOf)],
      plugins: [tooltip(hosts, say)],
    }, this.#data(), this.#box);
  }

  #data() {
    const { metric, fleetMetric = metric } = this.#chart;
    return this.#history.data(this.figures === 'fleet' ? fleetMetric : metric);
  }

  #range() {
    const { times, span } = this.#history;
    const last = times.at(-1) ?? Date.now() / 1000;
    return [last - span, last];
  }

  #tick = (value) => {
    if (this.#chart.metric !== 'latency') return brief(value);
    return value < 1000 ? `${value} ms` : `${value / 1000} s`;
  };
}

const minutesOf = (seconds) => (seconds === 60 ? 'minute' : `${seconds / 60} minutes`);

/** With seconds only where ticks are closer than a minute. */
const clockOf = (span) => (time) => clock(new Date(time * 1000)).slice(0, span < 300 ? 8 : 5);

function axis(options) {
  const grid = { stroke: () => colour('grid'), width: 1 };
  return { stroke: () => colour('muted'), font: '11px system-ui, sans-serif', gap: 4, grid, ticks: { ...grid, size: 3 }, ...options };
}

function lineOf(host) {
  const { colour: name, dash } = slotOf(host);
  return { stroke: () => colour(`host-${name}`), width: 1.75, dash: DASH_PATTERNS[dash], points: { show: false }, spanGaps: false };
}
