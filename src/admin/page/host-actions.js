import { call, hostPath } from './api.js';
import { confirm, nameAction, open } from './dialog.js';
import { byId, setText } from './dom.js';
import { counted } from './format.js';
import { notify } from './notice.js';

/** What can be done to hosts. */
export const hostActions = {
  drain(host) {
    setText(byId('drain-title'), `Drain ${host.host}?`);
    setText(byId('drain-note'), `It gets no new session. It has ${counted(host.sessions, 'session')} now.`);
    const dialog = byId('drain-dialog');
    dialog.querySelector('form').reset();
    enableDeadline();
    open(dialog, async () => {
      await call('PATCH', hostPath(host.host), { state: 'draining', ...deadline() });
      notify(`${host.host} drains.`);
    });
  },

  undrain({ host }) {
    confirm({
      title: `Undrain ${host}?`,
      note: 'It gets new sessions again. Sessions that have been moved do not come back by themselves: see Rebalance.',
      action: 'Undrain',
      submit: async () => {
        await call('PATCH', hostPath(host), { state: 'active' });
        notify(`${host} is active again.`);
      },
    });
  },

  remove({ host, sessions }) {
    let force = false;
    confirm({
      title: `Remove ${host}?`,
      note: sessions === 0
        ? 'It has no sessions. It can be added again at any time.'
        : `It has ${counted(sessions, 'session')}. Drain it first, and none is cut off.`,
      action: 'Remove',
      danger: true,
      submit: async () => {
        try {
          await call('DELETE', `${hostPath(host)}${force ? '?force=true' : ''}`);
        } catch (error) {
          if (error.status === 409) {
            force = true;
            nameAction('Remove it all the same', true);
          }
          throw error;
        }
        notify(`${host} is removed.`);
      },
    });
  },

  /** Resolves with whether it was done. */
  async weigh(host, weight) {
    try {
      await call('PATCH', hostPath(host), { weight });
      notify(`${host} has weight ${weight}.`);
      return true;
    } catch (error) {
      notify(error.message, true);
      return false;
    }
  },
};

export function startHostActions() {
  byId('add').addEventListener('click', add);
  byId('drain-dialog').addEventListener('change', enableDeadline);
}

function add() {
  const dialog = byId('add-dialog');
  dialog.querySelector('form').reset();
  open(dialog, async () => {
    const host = byId('add-host').value.trim();
    await call('POST', '/api/hosts', { host, weight: numberOf('add-weight') });
    notify(`${host} is added.`);
  });
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
