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
  const query = target.indexOf('?') + 1;
  let start = target.indexOf(member, query);
  // It may be the end of another member, or of its value.
  while (start > query && target[start - 1] !== '&') start = target.indexOf(member, start + 1);
  if (start === -1) return encodedTarget(target, query, bare);
  return `${target.slice(0, start)}sid=${bare}${target.slice(start + member.length)}`;
}

/** The same where the sid, or the name before it, is encoded. @param query where the query begins. */
function encodedTarget(target: string, query: number, sid: string): string {
  const members = target.slice(query).split('&').map((member) => (
    queryOf(`?${member}`).has('sid') ? `sid=${encodeURIComponent(sid)}` : member
  ));
  return target.slice(0, query) + members.join('&');
}
