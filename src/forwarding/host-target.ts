import { originFormOf } from '../base/target';
import { queryOf } from '../routing/sniffer';
import type { Binding } from '../sessions/binding';
import type { SidTokens } from '../sessions/session-store';

/**
 * A request's target as its host gets it: in origin form, and with the sid that the host knows.
 *
 * @param url with the binding's sid, once.
 * @param binding `undefined` for a request without a sid.
 */
export function hostTarget(url: string, binding: Binding | undefined, tokens: SidTokens | undefined): string {
  const target = originFormOf(url);
  if (!binding || !tokens) return target;
  const { sid } = binding;
  const bare = tokens.cut(sid);
  const member = `sid=${sid}`;
  const start = target.indexOf(member);
  // Not so where it is encoded, or the end of another member stands first.
  const isPlain = '?&'.includes(target[start - 1] ?? '-');
  if (!isPlain) return encodedTarget(target, bare);
  return `${target.slice(0, start)}sid=${bare}${target.slice(start + member.length)}`;
}

/** The same, member by member. */
function encodedTarget(target: string, sid: string): string {
  const query = target.indexOf('?') + 1;
  const members = target.slice(query).split('&').map((member) => (
    queryOf(`?${member}`).has('sid') ? `sid=${encodeURIComponent(sid)}` : member
  ));
  return target.slice(0, query) + members.join('&');
}
