import { call, sessionPath } from './api.js';
import { confirm } from './dialog.js';
import { byId, element, mark } from './dom.js';
import { fleet } from './fleet.js';
import { counted, duration } from './format.js';
import { notify } from './notice.js';

/** Why no session has a sid, by the code of the answer. */
const ABSENCES = {
  NEVER_SEEN: 'This proxy has never seen it, and the store does not know it. It may be mistyped, or belong to proxies with another store.',
  EXPIRED: 'It has expired: its client has not used it for longer than a binding is kept.',
  ENDED: 'It has ended: its client has left, or it was ended here.',
  HOST_GONE: 'Its host is down or has been removed, and the session has gone with it.',
};

const CARRIERS = {
  polling: 'HTTP long-polling',
  websocket: 'a WebSocket',
};

/** The look-up under way, or the last: an older answer that comes late is not shown. */
let latest = 0;

export function startSession() {
  byId('session-form').addEventListener('submit', (event) => {
    event.preventDefault();
    void lookUp(byId('sid').value.trim());
  });
}

async function lookUp(sid) {
  latest += 1;
  const mine = latest;
  if (sid === '') {
    show(element('p', { class: 'problem' }, 'Enter the sid of a session, as in a request’s query.'));
    byId('sid').focus();
    return;
  }
  show(element('p', { class: 'muted' }, 'Looking it up.'));
  const shown = await call('GET', sessionPath(sid)).then(describe, explain);
  if (mine === latest) show(...shown);
}

function describe(session) {
  const end = element('button', { type: 'button' }, 'End session');
  end.addEventListener('click', () => askToEnd(session));
  return [
    element('p', {}, 'It goes to ', element('strong', { class: 'host' }, session.host), '.'),
    element('ul', { class: 'reasons' }, ...reasonsOf(session).map((reason) => element('li', {}, reason))),
    element('p', { class: 'buttons' }, end),
  ];
}

function reasonsOf({ from, transport, age, expiresIn, open }) {
  return [
    from === 'cache' ? 'This proxy knows the binding itself.' : 'The binding was read from the store.',
    age !== null && `It has been known here for ${duration(age)}.`,
    transport === null
      ? 'Nothing has carried it here.'
      : `${open ? 'It is' : 'It was last'} carried by ${CARRIERS[transport] ?? transport}.`,
    open !== null && `Under way here: ${counted(open, 'request or WebSocket', 'requests and WebSockets')}.`,
    expiresIn !== null && `Its binding expires in ${duration(expiresIn)} unless it is used.`,
  ].filter((reason) => reason !== false);
}

function explain(error) {
  if (error.status !== 404) return [element('p', { class: 'problem' }, error.message)];
  return [
    element('p', { class: 'absent' }, mark('note'), 'No session has this sid.'),
    element('p', { class: 'muted' }, ABSENCES[error.code] ?? error.message),
  ];
}

function askToEnd({ sid, host }) {
  void confirm({
    title: 'End this session?',
    note: [
      `Its connection to ${host} is closed.`,
      'A client that reconnects makes a new handshake, and goes to whichever host is next.',
      ...(fleet().enabled ? ['This concerns whichever member carries it.'] : []),
    ].join(' '),
    action: 'End session',
    danger: true,
    submit: async () => {
      await call('DELETE', sessionPath(sid));
      latest += 1;
      show(element('p', { class: 'absent' }, mark('good'), 'The session is ended.'));
      notify('A session is ended.');
      byId('sid').focus();
    },
  });
}

const show = (...nodes) => byId('session').replaceChildren(...nodes);
