import { byId, element, mark } from './dom.js';
import { clock } from './format.js';

const KEPT = 200;

const KINDS = {
  up: 'good', recovered: 'good', added: 'good', joined: 'good', undrained: 'good', rebalanced: 'good',
  down: 'bad', degraded: 'bad', disagree: 'bad', duplicate: 'bad',
  draining: 'leaving', drained: 'leaving', removed: 'leaving', closing: 'leaving', left: 'leaving',
  undiscovered: 'waiting', rebalancing: 'waiting', rollout: 'waiting',
};

/** Adds what has happened on top of the list. */
export function addEvent({ time, type, host, message }) {
  const list = byId('events');
  const when = new Date(time);
  const what = host === null || message.includes(host) ? message : `${host}: ${message}`;
  list.prepend(element(
    'li', {},
    element('time', { datetime: time, title: when.toLocaleString('en-GB') }, clock(when)),
    element('span', { class: 'type' }, mark(KINDS[type] ?? 'note'), type),
    element('span', { class: 'what' }, what),
  ));
  while (list.children.length > KEPT) list.lastElementChild.remove();
  byId('events-empty').hidden = true;
}

/** What is added from now on is read out: not what had happened before the page was opened. */
export function announceEvents() {
  byId('events-box').setAttribute('aria-live', 'polite');
}
