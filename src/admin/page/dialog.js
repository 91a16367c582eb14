import { byId, setText } from './dom.js';
import { askScope } from './scope.js';

/** What ends the listeners of each dialog that is open, or was last. */
const endings = new WeakMap();

/**
 * Opens a dialog with a form. "Cancel" and Escape close it; submitting calls `submit` with the scope that is chosen, and
 * closes it when that resolves. When it rejects, its message is shown and the dialog stays. The browser gives focus back
 * at the end.
 *
 * @param alone what it means that the action concerns this proxy alone; undefined: there is no choice.
 * @param chosen is called with the scope at the beginning, and whenever another one is chosen.
 * @returns a promise of whether it was done.
 */
export function open(dialog, submit, { alone, chosen = () => {} } = {}) {
  const form = dialog.querySelector('form');
  const problem = dialog.querySelector('.problem');
  const action = form.querySelector('.primary');
  endings.get(dialog)?.abort();
  const ended = new AbortController();
  endings.set(dialog, ended);
  const { signal } = ended;
  let scope;
  let isDone = false;
  askScope(dialog, {
    alone,
    chosen: (now) => {
      scope = now;
      setText(problem, '');
      chosen(now);
    },
    signal,
  });
  setText(problem, '');
  action.disabled = false;
  dialog.querySelector('.cancel').addEventListener('click', () => dialog.close(), { signal });
  dialog.addEventListener('close', () => {
    // The event comes some time after `close()`: if the dialog was opened again at once, it is about the time before.
    if (!dialog.open) ended.abort();
  }, { signal });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (action.disabled) return;
    void attempt();
  }, { signal });
  dialog.showModal();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(isDone)));

  async function attempt() {
    action.disabled = true;
    setText(problem, '');
    try {
      await submit(scope);
      isDone = true;
      if (!signal.aborted) dialog.close();
    } catch (error) {
      // The dialog may show another question by now.
      if (signal.aborted) return;
      setText(problem, error.message);
      action.disabled = false;
      if (document.activeElement === document.body || document.activeElement === null) action.focus();
    }
  }
}

/**
 * Asks in the dialog that all questions share. Cancel has the focus: Enter by mistake does no harm.
 *
 * @param note a text, or what makes one of the scope.
 * @param chosen is called when another scope is chosen, too: the question is then another one.
 * @returns a promise of whether it was done.
 */
export function confirm({ title, note, action, danger = false, alone, chosen = () => {}, submit }) {
  setText(byId('confirm-title'), title);
  return open(byId('confirm-dialog'), submit, {
    alone,
    chosen: (scope) => {
      setText(byId('confirm-note'), typeof note === 'function' ? note(scope) : note);
      nameAction(action, danger);
      chosen(scope);
    },
  });
}

/** What the button of the open question says. */
export function nameAction(action, danger) {
  const button = byId('confirm-action');
  setText(button, action);
  button.classList.toggle('danger', danger);
}

/** Closes whatever is open. */
export function closeAll() {
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
}
