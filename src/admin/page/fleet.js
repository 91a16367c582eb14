import { byId, element, setText } from './dom.js';
import { counted } from './format.js';
import { MemberRow, COLUMNS } from './member-row.js';
import { kindOf, membersOf } from './members.js';

const NONE = { enabled: false, revision: null, agree: true, members: [] };

let known = NONE;

/** The fleet, as the server last told of it. */
export const fleet = () => known;

const rows = new Map();

export function startFleet() {
  byId('members-head').append(...COLUMNS.map(([title, kind = '']) => (
    element('th', { role: 'columnheader', scope: 'col', class: kind }, title)
  )));
}

/** @param uptime of this proxy, in seconds: by it the age of the others is told, whatever the time is here. */
export function showFleet(told, uptime) {
  known = told;
  byId('fleet').hidden = !told.enabled;
  if (!told.enabled) return;
  const members = membersOf(told);
  const started = Date.parse(members.find(({ self }) => self)?.since);
  const body = byId('members-body');
  const ids = new Set(members.map(({ id }) => id));
  for (const [id, row] of rows) {
    if (ids.has(id)) continue;
    row.element.remove();
    rows.delete(id);
  }
  members.forEach((member, at) => {
    if (!rows.has(member.id)) rows.set(member.id, new MemberRow(member));
    const row = rows.get(member.id);
    row.show({ ...member, age: uptime + (started - Date.parse(member.since)) / 1000 });
    if (body.children[at] !== row.element) body.insertBefore(row.element, body.children[at] ?? null);
  });
  setText(byId('fleet-note'), noteOf(members));
}

/** `[value, kind]` of the fact that says how the members are, at a glance. */
export function standingOf(told) {
  const members = membersOf(told);
  const kinds = members.map(kindOf);
  const fine = kinds.filter((kind) => kind === 'good').length;
  if (fine === members.length) return [`${fine}, in step`, 'good'];
  return [`${fine} of ${members.length} in step`, kinds.includes('bad') ? 'bad' : 'leaving'];
}

function noteOf(members) {
  const words = ['Disagrees', 'Behind', 'Silent'];
  const found = words.map((word) => [
    word.toLowerCase(), members.filter(({ troubles }) => troubles.some(([, other]) => other === word)),
  ]);
  found.unshift(['not ready', members.filter(({ ready }) => !ready)]);
  const said = found.filter(([, those]) => those.length > 0)
    .map(([word, those]) => `${word}: ${those.map(({ id }) => id).join(', ')}`);
  return `${counted(members.length, 'member')}${said.length === 0 ? ', all in step' : `, ${said.join('; ')}`}`;
}
