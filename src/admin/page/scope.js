import { element, setText } from './dom.js';
import { fleet } from './fleet.js';

/** What becomes of a change of hosts that concerns this proxy alone. */
export const LASTS = 'This lasts until it restarts, or until somebody changes the same for all.';

/** The choice in each dialog that has had one. */
const choices = new WeakMap();

/**
 * Asks in a dialog whom an action concerns: all members unless somebody chooses otherwise. Without a fleet it asks
 * nothing.
 *
 * @param alone what it means that the action concerns this proxy alone; undefined: there is no choice.
 * @param chosen is called with the scope now and whenever another one is chosen: `fleet` or `proxy`.
 * @param signal ends that.
 */
export function askScope(dialog, { alone, chosen, signal }) {
  const choice = choices.get(dialog) ?? makeChoice(dialog);
  const { enabled, agree, reached, members } = fleet();
  const isAsked = enabled && alone !== undefined;
  choice.field.hidden = !isAsked;
  choice.all.checked = true;
  if (!isAsked) {
    chosen('fleet');
    return;
  }
  const own = members.find(({ self }) => self);
  setText(choice.allText, reached ? allOf(members) : 'all members, once Redis is back');
  setText(choice.ownText, `this proxy alone${own === undefined ? '' : ` (${own.id})`}`);
  setText(choice.note, noteOf(reached, agree));
  const take = () => {
    setText(choice.alone, choice.own.checked ? alone : '');
    chosen(choice.own.checked ? 'proxy' : 'fleet');
  };
  choice.field.addEventListener('change', take, { signal });
  take();
}

/** Whom a change has concerned, at the end of a sentence. Nothing without a fleet. */
export function whom(scope) {
  if (!fleet().enabled) return '';
  if (scope === 'proxy') return ' at this proxy alone';
  return fleet().reached ? ' at all members' : ' at this proxy alone, and at all members once Redis is back';
}

function allOf({ length }) {
  return length === 1 ? 'all members: at present there is one' : `all ${length} members`;
}

function noteOf(reached, agree) {
  if (!reached) return 'Redis does not answer the fleet: until it is back, this holds at this proxy alone.';
  return agree ? '' : 'Not all members agree: those that have other hosts or another keyPrefix may not follow.';
}

function makeChoice(dialog) {
  const radio = (value) => element('input', { type: 'radio', name: 'scope', value });
  const choice = {
    all: radio('fleet'), own: radio('proxy'), allText: element('span'), ownText: element('span'),
    alone: element('p', { class: 'muted inner', 'aria-live': 'polite' }), note: element('p', { class: 'muted' }),
  };
  choice.field = element(
    'fieldset', { class: 'scope' },
    element('legend', {}, 'Whom it concerns'),
    element('p', {}, element('label', {}, choice.all, choice.allText)),
    element('p', {}, element('label', {}, choice.own, choice.ownText)),
    choice.alone, choice.note,
  );
  dialog.querySelector('.problem').before(choice.field);
  choices.set(dialog, choice);
  return choice;
}
