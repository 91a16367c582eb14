import { byId, setText } from './dom.js';

/** What ends the listeners of each dialog that is open, or was last. */
const endings = new WeakMap();

/**
 * Opens a dialog with a form. "Cancel" and Escape close it; submitting calls `submit`, and closes it when that
 * resolves. When it rejects, its message is shown and the dialog stays. The browser gives focus back at the end.
 */
export function open(dialog, submit) {
  const form = dialog.querySelector('form');
  const problem = dialog.querySelector('.problem');
  const action = form.querySelector('.primary');
  endings.get(dialog)?.abort();
  const ended = new AbortController();
  endings.set(dialog, ended);
  const { signal } = ended;
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

  async function attempt() {
    action.disabled = true;
    setText(problem, '');
    try {
      await submit();
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

/** Asks in the dialog that all questions share. Cancel has the focus: Enter by mistake does no harm. */
export function confirm({ title, note, action, danger = false, submit }) {
  setText(byId('confirm-title'), title);
  setText(byId('confirm-note'), note);
  nameAction(action, danger);
  open(byId('confirm-dialog'), submit);
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
