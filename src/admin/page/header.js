import { byId, element, mark, setAttribute, setText } from './dom.js';
import { bytes, clock, count, duration, rate } from './format.js';
import { standingOf } from './fleet.js';
import { sum } from './rates.js';

const LINES = {
  connecting: () => ['Connecting', ''],
  live: () => ['Live', ''],
  locked: () => ['A token is needed', ''],
  waiting: ({ seconds, reason }) => ['Reconnecting', ` in ${seconds} s: ${reason}`],
};

const SHAPES = { connecting: 'waiting', live: 'good', locked: 'bad', waiting: 'bad' };

/** The nodes that hold the values of the facts, by the list that they stand in and their names. */
const lists = new Map();
let lastAt;

/**
 * @param rows with the figures that are wanted.
 * @param figures of which they are: `fleet` or `proxy`.
 */
export function showHeader({ summary, fleet }, rows, figures) {
  lastAt = new Date();
  setText(byId('version'), summary.version);
  const { ready, reason } = summary.ready;
  showWord(byId('ready'), ready ? 'good' : 'bad', ready ? 'Ready' : `Not ready: ${reason}`);
  const isFleet = figures === 'fleet';
  const members = fleet.enabled ? [['Members', ...standingOf(fleet)]] : [];
  showFacts('facts', [...members, ...(isFleet ? fleetFacts(fleet, rows) : factsOf(summary, rows))]);
  if (isFleet) showFacts('own-facts', ownFacts(summary, rows));
  byId('facts-title').hidden = !isFleet;
  setText(byId('facts-title'), fleet.reached ? 'Fleet' : 'Fleet, when last seen');
  byId('own').hidden = !isFleet;
  for (const id of ['facts', 'ready']) byId(id).hidden = false;
}

function factsOf(summary, rows) {
  const [uptime, store, ...others] = ownFacts(summary, rows);
  return [uptime, ['Workers', count(summary.workers)], store, hostsUp(rows), ...countsOf(rows), ...others];
}

function fleetFacts({ members }, rows) {
  return [
    ['Workers', count(sum(members, ({ workers }) => workers))],
    hostsUp(rows),
    ...countsOf(rows),
    ['Handshakes/s', rate(sum(members, ({ handshakesPerSecond }) => handshakesPerSecond))],
  ];
}

/** What no member tells the others, or what has no sum. */
function ownFacts(summary, rows) {
  return [
    ['Up for', duration(summary.uptime)],
    ['Store', summary.store === 'ok' ? 'Works' : 'Fails', summary.store === 'ok' ? 'good' : 'bad'],
    ['Requests/s', rate(sum(rows, ({ rates }) => rates.requests))],
    ['Sent/s', bytes(sum(rows, ({ rates }) => rates.sent))],
    ['Received/s', bytes(sum(rows, ({ rates }) => rates.received))],
    ['Queued', count(summary.queued)],
    ['Refused', count(summary.refused)],
  ];
}

/** In a fleet, those that most members see up, and how many of all some see up and others down. */
function hostsUp(rows) {
  const isUp = ({ health, figures, fleet }) => (figures === 'fleet' ? fleet.up > fleet.down : health === 'up');
  const partly = rows.filter(({ figures, fleet }) => figures === 'fleet' && fleet.up > 0 && fleet.down > 0).length;
  return ['Hosts up', `${rows.filter(isUp).length} of ${rows.length}${partly === 0 ? '' : `, ${partly} partly`}`];
}

function countsOf(rows) {
  return [
    ['Sessions', count(sum(rows, ({ sessions }) => sessions))],
    ['Tunnels', count(sum(rows, ({ tunnels }) => tunnels))],
    ['Polls held', count(sum(rows, ({ polls }) => polls))],
  ];
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

/** @param facts of a name, a value and, where a shape goes with it, its kind. */
function showFacts(id, facts) {
  const names = facts.map(([name]) => name);
  let values = lists.get(id) ?? new Map();
  if ([...values.keys()].join() !== names.join()) {
    values = new Map(names.map((name) => [name, element('dd')]));
    lists.set(id, values);
    byId(id).replaceChildren(...Array.from(values, ([name, node]) => element('div', {}, element('dt', {}, name), node)));
  }
  for (const [name, value, kind] of facts) {
    if (kind === undefined) setText(values.get(name), value);
    else showWord(values.get(name), kind, value);
  }
}
