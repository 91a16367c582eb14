import { closeAll } from './dialog.js';
import { byId, setText } from './dom.js';
import { setToken, token } from './token.js';

/** Asks for the token in place of the board. @param unlocked is called with each token that is given. */
export function startLock(unlocked) {
  byId('token-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const field = byId('token');
    const value = field.value.trim();
    field.value = '';
    if (!/^[!-~]+$/.test(value)) {
      setText(byId('token-problem'), 'A token has visible ASCII characters, and no spaces.');
      return;
    }
    setText(byId('token-problem'), '');
    setToken(value);
    unlocked();
  });
  byId('forget').addEventListener('click', () => {
    setToken('');
    location.reload();
  });
}

/** A request was refused. */
export function lock() {
  closeAll();
  const refused = token() !== '';
  setToken('');
  if (refused) setText(byId('token-problem'), 'The server does not take this token.');
  if (!byId('locked').hidden) return;
  byId('locked').hidden = false;
  for (const id of ['board', 'facts', 'facts-title', 'own', 'figures', 'ready', 'forget']) byId(id).hidden = true;
  byId('token').focus();
}

/** The token is right, or none is needed. */
export function unlock() {
  if (byId('board').hidden) {
    byId('locked').hidden = true;
    byId('board').hidden = false;
    byId('hosts-title').focus();
  }
  byId('forget').hidden = token() === '';
}
