import { byId, setText } from './dom.js';

const SHOWN = 8000;

let timer;

/** One line that tells what has become of the last action. */
export function notify(message, bad = false) {
  const notice = byId('notice');
  clearTimeout(timer);
  setText(notice, message);
  notice.classList.toggle('bad', bad);
  if (!bad) timer = setTimeout(() => setText(notice, ''), SHOWN);
}
