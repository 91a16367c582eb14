import { byId, element, mark, setAttribute, setText } from './dom.js';
import { bytes, clock, count, duration, rate } from './format.js';
import { sum } from './rates.js';

const LINES = {
  connecting: () => ['Connecting', ''],
  live: () => ['Live', ''],
  locked: () => ['A token is needed', ''],
  waiting: ({ seconds, reason }) => ['Reconnecting', ` in ${seconds} s: ${reason}`],
};

const SHAPES = { connecting: 'waiting', live: 'good', locked: 'bad', waiting: 'bad' };

/** The nodes that hold the values of the facts, by the facts' names. */
const values = new Map();
let lastAt;

/** @param rows as `Rates` makes them. */
export function showHeader(summary, rows) {
  lastAt = new Date();
  setText(byId('version'), summary.version);
  const { ready, reason } = summary.ready;
  showWord(byId('ready'), ready ? 'good' : 'bad', ready ? 'Ready' : `Not ready: ${reason}`);
  const total = (valueOf) => sum(rows, valueOf);
  showFact('Up for', duration(summary.uptime));
  showFact('Workers', count(summary.workers));
  showFact('Store', summary.store === 'ok' ? 'Works' : 'Fails', summary.store === 'ok' ? 'good' : 'bad');
  showFact('Hosts up', `${rows.filter(({ health }) => health === 'up').length} of ${rows.length}`);
  showFact('Sessions', count(total(({ sessions }) => sessions)));
  showFact('Tunnels', count(total(({ tunnels }) => tunnels)));
  showFact('Polls held', count(total(({ polls }) => polls)));
  showFact('Requests/s', rate(total(({ rates }) => rates.requests)));
  showFact('Sent/s', bytes(total(({ rates }) => rates.sent)));
  showFact('Received/s', bytes(total(({ rates }) => rates.received)));
  showFact('Queued', count(summary.queued));
  showFact('Refused', count(summary.refused));
  for (const id of ['facts', 'ready']) byId(id).hidden = false;
}

export function showConnection(state) {
  const [word, rest] = LINES[state.name](state);
  showWord(byId('connection'), SHAPES[state.name], word);
  const since = state.name === 'waiting' && lastAt !== undefined ? ` (figures of ${clock(lastAt)})` : '';
  setText(byId('countdown'), rest + since);
  byId('retry').hidden = state.name !== 'waiting';
}

function showWord(node, kind, word) {
  if (node.firstElementChild === null) node.append(mark(kind), element('span'));
  setAttribute(node.firstElementChild, 'data-kind', kind);
  setText(node.lastElementChild, word);
}

function showFact(name, value, kind) {
  let node = values.get(name);
  if (node === undefined) {
    node = element('dd');
    values.set(name, node);
    byId('facts').append(element('div', {}, element('dt', {}, name), node));
  }
  if (kind === undefined) setText(node, value);
  else showWord(node, kind, value);
}
