import { element, mark, setAttribute, setText } from './dom.js';
import { bytes, count, countdown, milliseconds, percent, rate } from './format.js';
import { paintSwatch } from './slots.js';
import { WeightField } from './weight-field.js';

const HEALTH = {
  up: ['good', 'Up'],
  down: ['bad', 'Down'],
  checking: ['waiting', 'Checking'],
};

const REASONS = {
  refused: 'refused',
  unreachable: 'unreachable',
  silent: 'no answer',
  untrusted: 'certificate not trusted',
  failing: 'errors',
};

const LABELS = {
  tunnels: 'Tunnels', polls: 'Polls', requests: 'Requests/s', latency: 'Latency', sent: 'Sent/s', received: 'Received/s',
};

/** How far the scale of a bar goes: shares are compared with each other, and few are near 100 %. */
const scaleOf = (share, due) => Math.min(1, Math.max(share ?? 0, due ?? 0, 0.25) * 1.25);

/** A host's row in the table. */
export class Row {
  element = element('tr', { role: 'row' });
  #name;
  #actions;
  #cells = {};
  #host;
  #swatch = element('span');
  #weight;

  constructor(name, actions) {
    this.#name = name;
    this.#actions = actions;
    const label = element('span', { class: 'host', title: name }, name);
    this.element.append(element('th', { role: 'rowheader', scope: 'row', class: 'name' }, this.#swatch, label));
    this.#addStatus('state', 'State');
    this.#addStatus('health', 'Health');
    this.#weight = new WeightField(name, (weight) => actions.weigh(name, weight));
    this.#addCell('weight', 'Weight', 'number').append(this.#weight.element);
    this.#addCell('sessions', 'Sessions', 'number strong');
    this.#addShare();
    for (const [key, label] of Object.entries(LABELS)) this.#addCell(key, label, 'number');
    this.#addActions();
  }

  show(host) {
    const first = this.#host === undefined;
    this.#host = host;
    if (first) paintSwatch(this.#swatch, this.#name);
    this.#showStatus('state', ...stateOf(host));
    this.#showStatus('health', ...healthOf(host));
    this.#weight.show(host.weight);
    this.#showShare(host);
    setText(this.#cells.sessions, count(host.sessions));
    setText(this.#cells.tunnels, count(host.tunnels));
    setText(this.#cells.polls, count(host.polls));
    setText(this.#cells.requests, rate(host.rates.requests));
    setText(this.#cells.latency, milliseconds(host.latency));
    setText(this.#cells.sent, bytes(host.rates.sent));
    setText(this.#cells.received, bytes(host.rates.received));
    for (const key of ['requests', 'latency', 'sent', 'received']) {
      setAttribute(this.#cells[key], 'data-label', `${LABELS[key]}${host.figures === 'fleet' ? ', this proxy' : ''}`);
    }
    const verb = host.state === 'draining' ? 'Undrain' : 'Drain';
    setText(this.#cells.drain, verb);
    setAttribute(this.#cells.drain, 'aria-label', `${verb} ${this.#name}`);
  }

  #addCell(key, label, kind = '') {
    const cell = element('td', { role: 'cell', class: kind, 'data-label': label });
    this.#cells[key] = cell;
    this.element.append(cell);
    return cell;
  }

  #addStatus(key, label) {
    const word = element('span', { class: 'word' });
    const shape = mark('waiting');
    const detail = element('span', { class: 'detail' });
    this.#addCell(key, label, 'status').append(element('span', { class: 'state' }, shape, word), detail);
    this.#cells[key] = { shape, word, detail };
  }

  #showStatus(key, kind, text, more, title = '') {
    const { shape, word, detail } = this.#cells[key];
    setAttribute(shape, 'data-kind', kind);
    setText(word, text);
    setText(detail, more);
    setAttribute(detail, 'title', title);
  }

  #addShare() {
    const fill = element('span', { class: 'fill' });
    const due = element('span', { class: 'due' });
    const bar = element('span', { class: 'bar', 'aria-hidden': 'true' }, fill, due);
    const text = element('span', { class: 'of' });
    this.#addCell('share', 'Share / due', 'share').append(bar, text);
    this.#cells.share = { fill, due, text };
  }

  #showShare({ share, due }) {
    const bar = this.#cells.share;
    const scale = scaleOf(share, due);
    bar.fill.style.width = `${((share ?? 0) / scale) * 100}%`;
    bar.due.style.left = `${((due ?? 0) / scale) * 100}%`;
    bar.due.hidden = due === null;
    setText(bar.text, `${percent(share)} / ${percent(due)}`);
  }

  #addActions() {
    const drain = element('button', { type: 'button', class: 'small' });
    drain.addEventListener('click', () => {
      const { drain: toDrain, undrain } = this.#actions;
      (this.#host.state === 'draining' ? undrain : toDrain)(this.#host);
    });
    const remove = element('button', { type: 'button', class: 'small', 'aria-label': `Remove ${this.#name}` }, 'Remove');
    remove.addEventListener('click', () => this.#actions.remove(this.#host));
    this.#addCell('actions', 'Actions', 'actions').append(drain, remove);
    this.#cells.drain = drain;
  }
}

/** A mark's kind, a word, and more. In a fleet, others may see the host otherwise. */
function healthOf({ health, downReason, fleet, figures }) {
  const [kind, word] = HEALTH[health] ?? ['waiting', health];
  const reason = downReason === null ? '' : REASONS[downReason] ?? downReason;
  if (fleet === null) return [kind, word, reason];
  const { up, down } = fleet;
  const differs = up > 0 && down > 0;
  const seen = differs ? `${down} of ${up + down} ${down === 1 ? 'sees' : 'see'} it down` : '';
  if (figures === 'fleet' && differs) return ['leaving', 'Partly up', seen];
  return [kind, word, [reason, seen].filter((text) => text !== '').join('; ')];
}

function stateOf({ state, drain, drained, remains, sessions, weight, fleet, figures }) {
  if (state !== 'draining') return weight === 0 ? ['waiting', 'Active', 'weight 0'] : ['good', 'Active', ''];
  // In a fleet, what is empty here may have sessions elsewhere, and what others have told of may be older.
  if (fleet === null ? sessions === 0 : drained) return ['leaving', 'Drained', 'empty'];
  if (sessions === 0) {
    const [whom, why] = remains === null ? ['', ''] : waitOf(remains);
    return ['leaving', 'Draining', `${figures === 'fleet' ? 'empty so far' : 'empty here'}${whom}`, why];
  }
  if (drain === null || drain.movesIn === null) return ['leaving', 'Draining', 'no deadline'];
  if (drain.movesIn > 0) return ['leaving', 'Draining', `moves in ${countdown(drain.movesIn)}`];
  return ['leaving', 'Draining', `moves ${rate(drain.movesPerSecond)}/s`];
}

/** Whom a drain waits for, and why: each is named only where it is one. */
function waitOf({ using, open, gone }) {
  const ids = [...using, ...open, ...gone];
  if (ids.length === 0) return ['', ''];
  const why = [
    [using, 'something is left there'], [open, 'not drained there yet'], [gone, 'gone, and its sessions may go on'],
  ].flatMap(([those, reason]) => those.map((id) => `${id}: ${reason}`));
  return [`; waits for ${ids.length === 1 ? ids[0] : `${ids.length} proxies`}`, why.join('\n')];
}
