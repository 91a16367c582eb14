export const byId = (id) => document.getElementById(id);

/** An element. Strings among `children` become text, and nothing becomes HTML: names of hosts and sids come from outside. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Only where it differs: what is written anew each second would be selected, and read out, anew. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** A shape that says the same as the word beside it. Kinds: good, waiting, leaving, bad, note. */
export function mark(kind) {
  return element('span', { class: 'mark', 'data-kind': kind, 'aria-hidden': 'true' });
}
