import { byId, element } from './dom.js';
import { keep, kept } from './kept.js';

const KEY = 'socket.io-proxy2 figures';

let chosen = kept(KEY) === 'proxy' ? 'proxy' : 'fleet';

/** Of a fleet of which no member is known there are no figures but this proxy's. */
const isKnown = ({ enabled, members }) => enabled && members.length > 0;

/** Of which the figures are: `fleet` or `proxy`. */
export const figuresOf = (fleet) => (isKnown(fleet) ? chosen : 'proxy');

/** The switch between the figures of the fleet and those of this proxy. @param changed is called when it is used. */
export function startFigures(changed) {
  const choice = byId('figures');
  choice.querySelector(`[value=${chosen}]`).checked = true;
  choice.addEventListener('change', ({ target }) => {
    chosen = target.value;
    keep(KEY, chosen);
    changed();
  });
}

/** Where there are no other figures there is nothing to choose. */
export function showFigures(fleet) {
  byId('figures').hidden = !isKnown(fleet);
}

/**
 * The rows of hosts, with the figures of the fleet in place of this proxy's if those are wanted. `own` has this proxy's
 * in any case.
 */
export function rowsOf(rows, figures) {
  return rows.map((own) => (
    figures === 'fleet' && own.fleet !== null ? fleetRow(own) : { ...own, figures: 'proxy', own }
  ));
}

function fleetRow(own) {
  const { fleet: { sessions, tunnels, polls } } = own;
  return { ...own, sessions, tunnels, polls, figures: 'fleet', own };
}

/** Says beside figures of the fleet that this one is of this proxy alone: no member tells it to the others. */
export const ownTag = () => element('span', { class: 'own-tag', hidden: '' }, ' this proxy');

export function showOwnTags(parent, figures) {
  for (const tag of parent.querySelectorAll('.own-tag')) tag.hidden = figures !== 'fleet';
}

/** How many sessions of a host a change concerns. */
export const sessionsIn = ({ fleet, own }, scope) => (
  scope === 'fleet' && fleet !== null ? fleet.sessions : own.sessions
);
