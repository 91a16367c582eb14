import { element } from './dom.js';
import { clock } from './format.js';
import { paintSwatch } from './slots.js';

/** How many hosts are listed: those with the highest values. */
const LISTED = 8;

/** A uPlot plugin: what the lines say where the pointer is. */
export function tooltip(hosts, say) {
  const box = element('div', { class: 'tooltip', hidden: '' });

  function show({ cursor: { idx, left }, data, over }) {
    const known = idx === null || idx === undefined ? [] : hosts;
    const values = known.map((host, at) => [host, data[at + 1][idx]]).filter(([, value]) => value !== null);
    // Charts move their cursors together; only the one under the pointer tells.
    box.hidden = values.length === 0 || left < 0 || !over.matches(':hover');
    if (box.hidden) return;
    values.sort(([, a], [, b]) => b - a);
    const rows = values.slice(0, LISTED).map(([host, value]) => element(
      'li', {},
      paintSwatch(element('span'), host), element('span', { class: 'host' }, host), element('span', { class: 'value' }, say(value)),
    ));
    if (values.length > LISTED) rows.push(element('li', { class: 'muted' }, `and ${values.length - LISTED} more`));
    box.replaceChildren(element('p', {}, clock(new Date(data[0][idx] * 1000))), element('ul', {}, ...rows));
    const right = left > over.clientWidth / 2;
    box.style.left = right ? 'auto' : `${left + 12}px`;
    box.style.right = right ? `${over.clientWidth - left + 12}px` : 'auto';
  }

  return {
    hooks: {
      init: ({ over }) => over.append(box),
      setCursor: show,
    },
  };
}
