/** Colours times dashes: so many hosts can be told apart. style.css has the colours. */
export const COLOURS = 5;
const DASHES = ['solid', 'dashed', 'dotted', 'dashdot', 'sparse'];

/** What hosts beyond those have in common: more patterns could not be told apart, and the tooltip names each. */
export const OTHER = { colour: 'other', dash: 'solid' };

const slots = new Map();

/** A host keeps its colour for as long as it is there, whatever becomes of the others. */
export function keepSlots(hosts) {
  for (const host of slots.keys()) if (!hosts.includes(host)) slots.delete(host);
  const taken = new Set(slots.values());
  for (const host of hosts.filter((name) => !slots.has(name))) {
    let free = 0;
    while (taken.has(free)) free += 1;
    taken.add(free);
    slots.set(host, free);
  }
}

/** `{ colour, dash }` of a host. */
export function slotOf(host) {
  const slot = slots.get(host);
  if (slot === undefined || slot >= COLOURS * DASHES.length) return OTHER;
  return { colour: String(slot % COLOURS), dash: DASHES[Math.floor(slot / COLOURS)] };
}

/** A short piece of a host's line in the charts. */
export function paintSwatch(node, host) {
  const { colour, dash } = slotOf(host);
  node.className = 'swatch';
  node.dataset.colour = colour;
  node.dataset.dash = dash;
  return node;
}
