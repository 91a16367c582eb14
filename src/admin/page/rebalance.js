import { call, scoped } from './api.js';
import { confirm } from './dialog.js';
import { byId, setText } from './dom.js';
import { fleet } from './fleet.js';
import { count, counted, percent } from './format.js';

const PATH = '/api/rebalance';

export function startRebalance() {
  byId('rebalance-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const { value } = byId('per-minute');
    start(value === '' ? null : Number(value));
  });
  byId('rebalance-stop').addEventListener('click', stop);
}

/** In a fleet, `moved` is what this proxy has moved; the rest goes by what all members know. */
export function showRebalance({ running, moved, toMove, spread }) {
  const progress = byId('rebalance-progress');
  toggle(running);
  byId('per-minute').disabled = running;
  progress.hidden = !running;
  progress.max = Math.max(1, moved + toMove);
  progress.value = moved;
  const here = fleet().enabled ? ' by this proxy' : '';
  const uneven = spread < 0.005
    ? 'Each host has its share of sessions.'
    : `Hosts are up to ${percent(spread)} off their shares of sessions.`;
  setText(byId('rebalance-status'), running
    ? `${count(moved)} moved${here}, about ${count(toMove)} to go. ${uneven}`
    : `${uneven}${moved > 0 ? ` The last rebalance has moved ${counted(moved, 'session')}${here}.` : ''}`);
}

/** Focus stays on the button that takes the other's place. */
function toggle(running) {
  const [shown, gone] = running ? ['rebalance-stop', 'rebalance-start'] : ['rebalance-start', 'rebalance-stop'];
  const focused = document.activeElement === byId(gone);
  byId(shown).hidden = false;
  byId(gone).hidden = true;
  if (focused) byId(shown).focus();
}

function start(perMinute) {
  ask('POST', { perMinute }, {
    title: 'Rebalance?',
    note: perMinute === null
      ? 'The field holds no number.'
      : `Hosts that have too many sessions lose some: ${counted(perMinute, 'session')} a minute, whoever takes part.`,
    action: 'Start',
    alone: 'The other members move none of their sessions.',
  });
}

function stop() {
  ask('DELETE', undefined, {
    title: 'Stop the rebalance?',
    note: 'No more sessions are moved. Those that have been moved stay where they are.',
    action: 'Stop',
    alone: 'The other members go on if they take part.',
  });
}

/** Only where there is a fleet is there anything to ask. */
function ask(method, body, question) {
  setText(byId('rebalance-problem'), '');
  const submit = async (scope) => {
    const status = await call(method, scoped(PATH, scope), body);
    if (status !== undefined) showRebalance(status);
  };
  if (fleet().enabled) void confirm({ ...question, submit });
  else submit('fleet').catch((error) => setText(byId('rebalance-problem'), error.message));
}
