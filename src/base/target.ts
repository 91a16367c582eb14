/** RFC 9112 §3.2.2. A user's name and password have no place in it (RFC 9110 §4.2.4). */
const ABSOLUTE = /^https?:\/\/((?:[\w.~%-]+|\[[\da-f:.]+\])(?::\d{0,5})?)(?=[/?]|$)/i;

const SLASH = 47;

/** A request's target in origin form: from the path on. What is in no form that is served is left as it is. */
export function originFormOf(url: string): string {
  // As nearly all are.
  if (url.charCodeAt(0) === SLASH) return url;
  const prefix = ABSOLUTE.exec(url)?.[0];
  if (prefix === undefined) return url;
  const rest = url.slice(prefix.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** The host that a target in absolute form names, which goes before the field `Host`; `undefined` in origin form. */
export function authorityOf(url: string): string | undefined {
  return url.charCodeAt(0) === SLASH ? undefined : ABSOLUTE.exec(url)?.[1];
}
