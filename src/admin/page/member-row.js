import { element, mark, setAttribute, setText } from './dom.js';
import { count, duration, rate } from './format.js';
import { kindOf } from './members.js';

export const COLUMNS = [
  ['Member'], ['State'], ['Version'], ['Up for', 'number'], ['Workers', 'number'], ['Sessions', 'number'],
  ['Tunnels', 'number'], ['Polls', 'number'], ['Handshakes/s', 'number'], ['Seen', 'number'],
];

/** It is not told more exactly: members show themselves every one and a half seconds, more or less. */
const JUST_NOW = 4;

/** A member's row in the table. It is made once and then written to. */
export class MemberRow {
  element = element('tr', { role: 'row' });
  #cells = {};
  #states = element('ul', { class: 'states' });
  #stated = '';

  constructor({ id, self }) {
    const name = element('th', { role: 'rowheader', scope: 'row', class: 'name' }, idOf(id));
    if (self) name.append(element('span', { class: 'self' }, 'this proxy'));
    this.element.append(name);
    this.#addCell('state', 'State').append(this.#states);
    for (const [key, label, kind = 'number'] of [
      ['version', 'Version', ''], ['since', 'Up for'], ['workers', 'Workers'], ['sessions', 'Sessions', 'number strong'],
      ['tunnels', 'Tunnels'], ['polls', 'Polls'], ['handshakes', 'Handshakes/s'], ['seen', 'Seen'],
    ]) this.#addCell(key, label, kind);
  }

  show(member) {
    const { ready, troubles, isOld, version, since, age, workers, seenAgo } = member;
    const { sessions, tunnels, polls, handshakesPerSecond } = member;
    setAttribute(this.element, 'data-kind', kindOf(member));
    const readiness = isOld ? ['waiting', 'Ready', 'when last seen'] : ['good', 'Ready', ''];
    this.#showStates([ready ? readiness : ['bad', 'Not ready', 'It takes no new sessions.'], ...troubles]);
    setText(this.#cells.version, version);
    setText(this.#cells.since, duration(age));
    setAttribute(this.#cells.since, 'title', new Date(since).toLocaleString('en-GB'));
    setText(this.#cells.workers, count(workers));
    setText(this.#cells.sessions, count(sessions));
    setText(this.#cells.tunnels, count(tunnels));
    setText(this.#cells.polls, count(polls));
    setText(this.#cells.handshakes, rate(handshakesPerSecond));
    setText(this.#cells.seen, seenAgo < JUST_NOW ? 'just now' : `${Math.round(seenAgo)} s ago`);
  }

  #addCell(key, label, kind = '') {
    const cell = element('td', { role: 'cell', class: kind, 'data-label': label });
    this.#cells[key] = cell;
    this.element.append(cell);
    return cell;
  }

  #showStates(states) {
    const stated = states.flat().join('\n');
    if (stated === this.#stated) return;
    this.#stated = stated;
    this.#states.replaceChildren(...states.map(([kind, word, text]) => element(
      'li', {}, element('span', { class: 'state' }, mark(kind), word), element('span', { class: 'detail' }, text),
    )));
  }
}

/** What people know a member by, which is the name of its machine, stands out from the rest. */
function idOf(id) {
  const name = id.split(':', 1)[0];
  return element('span', { class: 'host', title: id }, name, element('span', { class: 'rest' }, id.slice(name.length)));
}
