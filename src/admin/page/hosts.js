import { byId, element, setText } from './dom.js';
import { ownTag, showOwnTags } from './figures.js';
import { Row } from './host-row.js';
import { paintSwatch } from './slots.js';

const COLUMNS = [
  ['Host'], ['State'], ['Health'], ['Weight', 'number'], ['Sessions', 'number'], ['Share / due', 'share'],
  ['Tunnels', 'number'], ['Polls', 'number'], ['Requests/s', 'number own'], ['Latency', 'number own'],
  ['Sent/s', 'number own'], ['Received/s', 'number own'], ['Actions', 'actions'],
];

/** The table of hosts. A row is made once and then written to, so that focus and selection stay where they are. */
export class HostsTable {
  #rows = new Map();
  #actions;

  /** @param actions what the buttons of a row do: `{ drain, undrain, remove, weigh }`. */
  constructor(actions) {
    this.#actions = actions;
    byId('hosts-head').append(...COLUMNS.map(([title, kind = '']) => (
      element('th', { role: 'columnheader', scope: 'col', class: kind }, title, ...(kind.includes('own') ? [ownTag()] : []))
    )));
  }

  /** @param figures of which they are: `fleet` or `proxy`. */
  show(hosts, figures) {
    showOwnTags(byId('hosts-head'), figures);
    byId('hosts').classList.toggle('of-fleet', hosts.some(({ fleet }) => fleet !== null));
    const body = byId('hosts-body');
    const names = new Set(hosts.map(({ host }) => host));
    for (const [name, row] of this.#rows) if (!names.has(name)) this.#remove(name, row);
    hosts.forEach((host, at) => {
      const row = this.#rowOf(host.host);
      row.show(host);
      if (body.children[at] !== row.element) body.insertBefore(row.element, body.children[at] ?? null);
    });
    byId('hosts').hidden = hosts.length === 0;
    byId('hosts-empty').hidden = hosts.length > 0;
    setText(byId('hosts-empty'), 'There are no hosts. Add one, and it gets sessions once a health check has found it up.');
    showLegend(hosts.map(({ host }) => host));
  }

  #rowOf(name) {
    let row = this.#rows.get(name);
    if (row === undefined) {
      row = new Row(name, this.#actions);
      this.#rows.set(name, row);
    }
    return row;
  }

  #remove(name, row) {
    const focused = row.element.contains(document.activeElement);
    row.element.remove();
    this.#rows.delete(name);
    if (focused) byId('hosts-title').focus();
  }
}

/** One for all charts. */
function showLegend(names) {
  const legend = byId('legend');
  const shown = Array.from(legend.children, ({ textContent }) => textContent);
  if (shown.length === names.length && shown.every((name, at) => name === names[at])) return;
  legend.replaceChildren(...names.map((name) => element('li', {}, paintSwatch(element('span'), name), name)));
}
