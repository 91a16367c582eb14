import { call, hostPath, scoped } from './api.js';
import { confirm, nameAction, open } from './dialog.js';
import { byId, setText } from './dom.js';
import { sessionsIn } from './figures.js';
import { fleet } from './fleet.js';
import { counted } from './format.js';
import { notify } from './notice.js';
import { LASTS, whom } from './scope.js';

/** What can be done to hosts. Where there is a fleet, each is asked whom it concerns. */
export const hostActions = {
  drain(host) {
    setText(byId('drain-title'), `Drain ${host.host}?`);
    const dialog = byId('drain-dialog');
    dialog.querySelector('form').reset();
    enableDeadline();
    void open(dialog, async (scope) => {
      await call('PATCH', scoped(hostPath(host.host), scope), { state: 'draining', ...deadline() });
      notify(`${host.host} drains${whom(scope)}.`);
    }, {
      alone: LASTS,
      chosen: (scope) => setText(byId('drain-note'), [
        `It gets no new session${scope === 'proxy' ? ' from here' : ''}.`, `It has ${sessionsOf(host, scope)}.`,
      ].join(' ')),
    });
  },

  undrain({ host }) {
    void confirm({
      title: `Undrain ${host}?`,
      note: 'It gets new sessions again. Sessions that have been moved do not come back by themselves: see Rebalance.',
      action: 'Undrain',
      alone: LASTS,
      submit: async (scope) => {
        await call('PATCH', scoped(hostPath(host), scope), { state: 'active' });
        notify(`${host} is active again${whom(scope)}.`);
      },
    });
  },

  remove(row) {
    const { host } = row;
    let force = false;
    void confirm({
      title: `Remove ${host}?`,
      note: (scope) => (sessionsIn(row, scope) === 0
        ? 'It has no sessions. It can be added again at any time.'
        : `It has ${sessionsOf(row, scope)}. Drain it first, and none is cut off.`),
      action: 'Remove',
      danger: true,
      alone: LASTS,
      chosen: () => (force = false),
      submit: async (scope) => {
        try {
          await call('DELETE', scoped(`${hostPath(host)}${force ? '?force=true' : ''}`, scope));
        } catch (error) {
          if (error.status === 409) {
            force = true;
            nameAction('Remove it all the same', true);
          }
          throw error;
        }
        notify(`${host} is removed${whom(scope)}.`);
      },
    });
  },

  /** Resolves with whether it was done. */
  async weigh(host, weight) {
    const change = async (scope) => {
      await call('PATCH', scoped(hostPath(host), scope), { weight });
      notify(`${host} has weight ${weight}${whom(scope)}.`);
    };
    if (fleet().enabled) {
      return confirm({
        title: `Set the weight of ${host}?`,
        note: weight === null ? 'The field holds no number.' : `It gets a share of new sessions by the weight ${weight}.`,
        action: 'Set',
        alone: LASTS,
        submit: change,
      });
    }
    try {
      await change('fleet');
      return true;
    } catch (error) {
      notify(error.message, true);
      return false;
    }
  },
};

/** In words. */
function sessionsOf(row, scope) {
  const number = counted(sessionsIn(row, scope), 'session');
  if (row.fleet === null) return number;
  const { reached, members } = fleet();
  if (scope === 'proxy' || members.length === 0) return `${number} that this proxy knows`;
  return `${number} at all members${reached ? '' : ' when they were last seen'}`;
}

export function startHostActions() {
  byId('add').addEventListener('click', add);
  byId('drain-dialog').addEventListener('change', enableDeadline);
}

function add() {
  const dialog = byId('add-dialog');
  dialog.querySelector('form').reset();
  void open(dialog, async (scope) => {
    const host = byId('add-host').value.trim();
    await call('POST', scoped('/api/hosts', scope), { host, weight: numberOf('add-weight') });
    notify(`${host} is added${whom(scope)}.`);
  }, { alone: LASTS });
}

/** Null where the field holds no number: the server tells what it expects. */
function numberOf(id) {
  const { value } = byId(id);
  return value === '' ? null : Number(value);
}

const moves = () => byId('drain-dialog').querySelector('[name=then]:checked').value === 'move';

function enableDeadline() {
  for (const id of ['drain-after', 'drain-unit', 'drain-rate']) byId(id).disabled = !moves();
}

function deadline() {
  if (!moves()) return {};
  const after = numberOf('drain-after');
  return {
    deadline: after === null ? null : Math.round(after * Number(byId('drain-unit').value)),
    movesPerSecond: numberOf('drain-rate'),
  };
}
