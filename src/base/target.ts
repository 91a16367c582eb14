/** The absolute form (RFC 9112 §3.2.2), which must not hold a user name or password (RFC 9110 §4.2.4). */
const ABSOLUTE = /^https?:\/\/((?:[\w.~%-]+|\[[\da-f:.]+\])(?::\d{0,5})?)(?=[/?]|$)/i;

const SLASH = 47;

/** A request's target in origin form: path and query. A target in an unsupported form stays as it is. */
export function originFormOf(url: string): string {
  // Nearly all targets have origin form already.
  if (url.charCodeAt(0) === SLASH) return url;
  const prefix = ABSOLUTE.exec(url)?.[0];
  if (prefix === undefined) return url;
  const rest = url.slice(prefix.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** The host in a target of absolute form, which overrides the `Host` field; `undefined` in origin form. */
export function authorityOf(url: string): string | undefined {
  return url.charCodeAt(0) === SLASH ? undefined : ABSOLUTE.exec(url)?.[1];
}
