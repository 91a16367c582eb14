import { call } from './api.js';
import { byId, setText } from './dom.js';
import { count, counted, percent } from './format.js';

export function startRebalance() {
  byId('rebalance-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const { value } = byId('per-minute');
    void attempt('POST', { perMinute: value === '' ? null : Number(value) });
  });
  byId('rebalance-stop').addEventListener('click', () => void attempt('DELETE'));
}

export function showRebalance({ running, moved, toMove, spread }) {
  const progress = byId('rebalance-progress');
  toggle(running);
  byId('per-minute').disabled = running;
  progress.hidden = !running;
  progress.max = Math.max(1, moved + toMove);
  progress.value = moved;
  const uneven = spread < 0.005
    ? 'Each host has its share of sessions.'
    : `Hosts are up to ${percent(spread)} off their shares of sessions.`;
  setText(byId('rebalance-status'), running
    ? `${count(moved)} moved, about ${count(toMove)} to go. ${uneven}`
    : `${uneven}${moved > 0 ? ` The last rebalance has moved ${counted(moved, 'session')}.` : ''}`);
}

/** Focus stays on the button that takes the other's place. */
function toggle(running) {
  const [shown, gone] = running ? ['rebalance-stop', 'rebalance-start'] : ['rebalance-start', 'rebalance-stop'];
  const focused = document.activeElement === byId(gone);
  byId(shown).hidden = false;
  byId(gone).hidden = true;
  if (focused) byId(shown).focus();
}

async function attempt(method, body) {
  setText(byId('rebalance-problem'), '');
  try {
    const status = await call(method, '/api/rebalance', body);
    if (status !== undefined) showRebalance(status);
  } catch (error) {
    setText(byId('rebalance-problem'), error.message);
  }
}
