import type { IncomingMessage } from 'node:http';
import type { Binding } from '../sessions/binding';
import type { Bindings } from '../sessions/bindings';
import { refusals, type Refusal } from '../base/errors';
import { SILENT_GRACE, type Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';

/** How long it waits where an attempt has failed at once, in ms, more or less: one that was late has waited already. */
const PAUSE = 1000;

/** Where a request goes. */
export interface Route {
  host: Host;
  /** The session's binding; `undefined` for a handshake until it has opened one. */
  binding: Binding | undefined;
  /** The hosts that a handshake could not reach; `undefined` while there is none. */
  tried: Set<Host> | undefined;
  /** Since when a session's request could not reach its host, by `performance.now()`. */
  unreachedSince: number | undefined;
}

/** @param binding that of the session; `undefined` for a handshake. */
export function routeTo(host: Host, binding: Binding | undefined): Route {
  return { host, binding, tried: undefined, unreachedSince: undefined };
}

export interface RerouteContext {
  readonly hosts: Hosts;
  readonly bindings: Bindings;
  readonly connectTimeout: number;
  readonly hostTimeout: number;
}

/**
 * What becomes of a request whose host could not be reached, so that nothing of it can have arrived there: a handshake
 * goes to another host. A session's request tries again for as long as its session may live on there, since its client
 * ends the session when it is refused: a queue of connections that is full for a moment, a packet that is lost, or
 * ports that are lacking here, prove nothing.
 *
 * @returns the refusal, or in how many ms `route.host` is to be tried.
 */
export function reroute(
  route: Route,
  req: IncomingMessage,
  error: Error,
  context: RerouteContext,
): Refusal | number {
  const { hosts, connectTimeout } = context;
  hosts.unreached(route.host, error, connectTimeout);
  if (route.binding) return tryAgain(route, route.binding, error, context);
  const tried = route.tried ??= new Set();
  tried.add(route.host);
  const next = hosts.pick(req, tried);
  if (!next) return hosts.open ? refusals.hostUnreached : refusals.noHost;
  route.host = next;
  return 0;
}

function tryAgain(route: Route, binding: Binding, error: Error, context: RerouteContext): Refusal | number {
  if (route.host.gone) {
    context.bindings.discount(binding);
    return refusals.host_gone;
  }
  const now = performance.now();
  const isLate = 'code' in error && error.code === 'ETIMEDOUT';
  const since = route.unreachedSince ??= isLate ? now - context.connectTimeout : now;
  if (now - since >= Math.min(SILENT_GRACE, context.hostTimeout)) return refusals.hostUnreached;
  // Not all at once.
  return isLate ? 0 : PAUSE * (0.75 + Math.random() / 2);
}
