import { call } from './api.js';
import { confirm } from './dialog.js';
import { byId, element, setText } from './dom.js';
import { fleet } from './fleet.js';
import { counted } from './format.js';
import { notify } from './notice.js';

const PATH = '/api/rollout';

/** How many members or hosts are named in a line. */
const NAMED = 4;

/** What the list says at present: it is written anew only where that changes. */
let listed = '';

let isDraining = false;

export function startRollout() {
  byId('rollout-stop').addEventListener('click', stop);
}

/** @param rollout as the server tells of it; null: there is none. */
export function showRollout(rollout) {
  const section = byId('rollout');
  if (rollout === null) {
    if (section.contains(document.activeElement)) byId('hosts-title').focus();
    section.hidden = true;
    return;
  }
  section.hidden = false;
  isDraining = rollout.draining;
  setText(byId('rollout-what'), whatOf(rollout));
  setText(byId('rollout-state'), stateOf(rollout));
  const waits = rollout.waitingFor.map(waitOf);
  if (waits.join('\n') === listed) return;
  listed = waits.join('\n');
  byId('rollout-waits').replaceChildren(...waits.map((text) => element('li', {}, text)));
}

function whatOf({ old, new: fresh }) {
  const left = old.length === 0 ? 'No old host is left here' : `Replaces ${some(old)}`;
  return `${left}${fresh.length === 0 ? ', by hosts that are still to come' : ` by ${some(fresh)}`}.`;
}

function stateOf({ old, new: fresh, atLeast, draining }) {
  if (draining) {
    const left = old.length === 1 ? 'The old host drains' : `The ${counted(old.length, 'old host')} drain`;
    return old.length === 0 ? 'It is about to be over.' : `${left}, and no new session goes there.`;
  }
  const enough = fresh.length > atLeast ? `${atLeast} of ${counted(fresh.length, 'new host')}` : counted(atLeast, 'new host');
  return `Waits until ${enough} ${atLeast === 1 ? 'is' : 'are'} up${fleet().enabled ? ' at all members' : ''}. Then the old ones drain.`;
}

/** Without a fleet there is no other member that it could wait for. */
function waitOf({ host, members }) {
  const own = fleet().members.find(({ self }) => self)?.id;
  const names = members.map((id) => (id === own ? 'this proxy' : id));
  return `${host} is not up yet${names.length === 0 ? '' : ` at ${some(names)}`}`;
}

function some(names) {
  const said = names.slice(0, NAMED).join(', ');
  return names.length > NAMED ? `${said} and ${names.length - NAMED} more` : said;
}

function stop() {
  const { enabled, reached } = fleet();
  const later = enabled && !reached ? ['Redis does not answer the fleet: the other members stop once it is back.'] : [];
  void confirm({
    title: 'Stop the rollout?',
    note: [
      isDraining
        ? 'Old hosts that are left get new sessions again, but for those that somebody had drained before.'
        : 'The old hosts stay as they are.',
      'New hosts stay.', ...(enabled ? ['This concerns all members.'] : []), ...later,
    ].join(' '),
    action: 'Stop',
    submit: async () => {
      await call('DELETE', PATH);
      notify('The rollout is stopped.');
    },
  });
}
