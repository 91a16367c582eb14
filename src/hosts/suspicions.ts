import type { Host } from './host';
import type { Answer } from './probe';

/** How many addresses to name. */
const SHOWN = 3;

const ASIDE = "Does a Socket.IO server listen there, and is 'path' (--path) its path?";
const FORCED = 'Clients would be sent there too. Name the host with https://, or have it take http from the proxy.';
const TLS_PORT = 'Name the host with https://.';
const REFUSED = 'Something before the host, such as a firewall, refuses the proxy. Let the proxy pass.';

/** How much of a text of others to show, in characters. */
const MAX_SHOWN = 200;

/** What is wrong with a host whose name has several addresses. */
export function manyAddresses(host: Host): string {
  const { named, used } = host.address;
  const shown = named.slice().sort().slice(0, SHOWN).join(', ') + (named.length > SHOWN ? ', …' : '');
  const isPlain = host.url.protocol === 'http:';
  const discover = isPlain ? `, or use 'dns:${host.hostname}:${host.port}' as 'discover' (--discover)` : '';
  return `${host.hostname} has ${named.length} addresses (${shown}). All connections go to ${used ?? 'one of them'}. ` +
    `If they are several servers, list each of them in 'hosts'${discover}.`;
}

/** What is wrong with a host whose name has got another address, although the old one still answers. */
export function movedName(host: Host): string {
  const { named, used } = host.address;
  return `${host.hostname} now stands for ${named[0]}. All connections still go to ${used}, which answers and has ` +
    'sessions. They move once it stops answering, or has no session left.';
}

/**
 * What is wrong with a host whose answer to a health check counts as up, although no Socket.IO server answers so.
 *
 * @param checkPath where the check goes, if not to the path of Socket.IO.
 */
export function oddAnswer(
  host: Host, path: string, checkPath: string | undefined, answer: Answer,
): string | undefined {
  const { status, location = '' } = answer;
  const isOwn = checkPath !== undefined && checkPath !== path;
  const said = `GET ${checkPath ?? path} is answered with ${status}`;
  if (status < 300) {
    const isPage = !isOwn && /\bhtml\b/i.test(answer.type ?? '');
    return isPage ? `${said} and a web page. ${ASIDE}` : undefined;
  }
  if (status < 400) {
    const to = location === '' ? '' : `, a redirect to ${location.slice(0, MAX_SHOWN)}`;
    const isForced = host.url.protocol === 'http:' && /^https:/i.test(location);
    return `${said}${to}. ${isForced ? FORCED : ASIDE}`;
  }
  if (status === 400 && isOfTlsPort(answer.body)) return `${said}, as a TLS port does. ${TLS_PORT}`;
  if (isOwn) return `${said}, which counts as up. Say what a good answer is: 'checkStatus' (--check-status).`;
  if (status === 400) return isOfEngine(answer.body) ? undefined : `${said}, but not as Engine.IO does. ${ASIDE}`;
  if (status === 401 || status === 403) return `${said}. ${REFUSED}`;
  return `${said}. ${ASIDE}`;
}

/** Engine.IO answers with JSON; other implementations with a word on the transport. An empty body says nothing. */
function isOfEngine(body: string): boolean {
  return body === '' || /^\s*\{.*"code"/s.test(body) || /^\s*[^<\s].*\b(?:transport|protocol)/is.test(body);
}

function isOfTlsPort(body: string): boolean {
  return /\b(?:https|ssl|tls)\b/i.test(body) && !isOfEngine(body);
}
