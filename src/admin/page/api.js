import { token } from './token.js';

const TIMEOUT = 10_000;

/** What the server has answered instead of what was asked for; status 0 where it has not answered. */
export class Problem extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

let onUnauthorized = () => {};

/** Calls `listener` whenever a request gets 401 with the token that is kept. */
export function whenUnauthorized(listener) {
  onUnauthorized = listener;
}

let onChange = () => {};

/** Calls `listener` after each change that the server has made. The change counts as done once that resolves. */
export function whenChanged(listener) {
  onChange = listener;
}

/** Resolves with a response whose status is 2xx. @throws Problem */
export async function send(path, { headers, ...options } = {}) {
  const kept = token();
  let response;
  try {
    response = await fetch(path, {
      ...options,
      headers: { ...headers, ...(kept === '' ? {} : { Authorization: `Bearer ${kept}` }) },
      cache: 'no-store',
      redirect: 'error',
    });
  } catch (error) {
    throw new Problem(0, error.name === 'TimeoutError' ? 'TIMEOUT' : 'UNREACHABLE', reasonOf(error));
  }
  if (response.ok) return response;
  // Another token may have been given meanwhile, and is not to be lost with the one that is refused.
  if (response.status === 401 && token() === kept) onUnauthorized();
  throw await problemOf(response);
}

/** Resolves with the body of the answer; undefined where it has none. @throws Problem */
export async function call(method, path, body) {
  const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
  const response = await send(path, { method, signal: AbortSignal.timeout(TIMEOUT), ...json });
  const answer = response.status === 204 ? undefined : await response.json();
  if (method !== 'GET') await onChange();
  return answer;
}

export const hostPath = (host) => `/api/hosts/${encodeURIComponent(host)}`;

/** The path of a change that concerns those: all members of the fleet, unless it is for this proxy alone. */
export function scoped(path, scope) {
  if (scope !== 'proxy') return path;
  return `${path}${path.includes('?') ? '&' : '?'}scope=proxy`;
}

export const sessionPath = (sid) => `/api/sessions/${encodeURIComponent(sid)}`;

function reasonOf(error) {
  return error.name === 'TimeoutError' ? `no answer within ${TIMEOUT / 1000} s` : 'the admin server cannot be reached';
}

async function problemOf(response) {
  try {
    const { code, message } = await response.json();
    return new Problem(response.status, String(code), String(message));
  } catch {
    return new Problem(response.status, 'UNKNOWN', `the server has answered ${response.status}`);
  }
}
