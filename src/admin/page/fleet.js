import { byId, element, setText } from './dom.js';
import { counted } from './format.js';
import { MemberRow, COLUMNS } from './member-row.js';
import { differencesOf, kindOf, membersOf } from './members.js';

const NONE = { enabled: false, revision: null, reached: false, agree: true, members: [] };

/** What changes do while Redis does not answer. */
const HOLDS = 'What you change holds at this proxy alone until Redis is back.';

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
  byId('members-box').hidden = members.length === 0;
  setText(byId('fleet-note'), noteOf(told.reached, members));
  setText(byId('fleet-problem'), told.reached ? '' : problemOf(members));
}

/** `[value, kind]` of the fact that says how the members are, at a glance. */
export function standingOf(told) {
  const members = membersOf(told);
  const kinds = members.map(kindOf);
  if (members.length === 0) return ['None known', 'bad'];
  if (!told.reached) return [`${members.length} when last seen`, 'bad'];
  const fine = kinds.filter((kind) => kind === 'good').length;
  if (fine === members.length) return [`${fine}, in step`, 'good'];
  return [`${fine} of ${members.length} in step`, kinds.includes('bad') ? 'bad' : 'leaving'];
}

function problemOf(members) {
  if (members.length === 0) {
    return `Redis does not answer the fleet, or refuses it, and so this proxy knows of no member. ${HOLDS}`;
  }
  return `Redis does not answer the fleet, or refuses it: these are the members as they were last seen. ${HOLDS}`;
}

function noteOf(reached, members) {
  if (members.length === 0) return 'no member known';
  const having = (word) => members.filter(({ troubles }) => troubles.some(([, other]) => other === word));
  const found = [
    ['not ready', members.filter(({ ready }) => !ready).map(({ id }) => id)],
    ['disagrees', having('Disagrees').map((member) => `${member.id} (${differencesOf(member)})`)],
    ['behind', having('Behind').map(({ id }) => id)],
  ].filter(([, names]) => names.length > 0);
  const total = `${counted(members.length, 'member')}${reached ? '' : ' when last seen'}`;
  if (found.length === 0) return reached ? `${total}, all in step` : total;
  return `${total}, ${found.map(([word, names]) => `${word}: ${names.join(', ')}`).join('; ')}`;
}
