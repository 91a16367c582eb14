import type { Binding } from '../sessions/binding';
import type { Bindings } from '../sessions/bindings';
import { refusals, type Refusal } from '../base/refusals';
import type { RequestHead } from '../base/request-head';
import { SILENT_GRACE, type Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';

/** The mean pause after an attempt that failed at once, in ms. After a timeout there is no pause. */
const PAUSE = 1000;

/** The destination of a request. */
export interface Route {
  host: Host;
  /** The session's binding; `undefined` for a handshake until it has opened a session. */
  binding: Binding | undefined;
  /** The request may open a session. */
  readonly opens: boolean;
  /** The hosts that a handshake could not reach; `undefined` while there are none. */
  tried: Set<Host> | undefined;
  /** When a session's request first failed to reach its host, by `performance.now()`. */
  unreachedSince: number | undefined;
}

/** @param binding the session's; `undefined` for a request without a sid. */
export function routeTo(host: Host, binding: Binding | undefined, opens: boolean): Route {
  return { host, binding, opens, tried: undefined, unreachedSince: undefined };
}

interface RerouteContext {
  readonly hosts: Hosts;
  readonly bindings: Bindings;
  readonly connectTimeout: number;
  readonly hostTimeout: number;
}

/**
 * Called when a request could not reach its host, so that nothing of it has arrived there. A handshake goes to another
 * host. A session's request tries again for as long as the session may survive, since a refusal makes the client end
 * it. A full queue of connections, a lost packet, or a lack of ports in this process does not prove the session lost.
 *
 * @returns the refusal, or after how many ms to try `route.host`.
 */
export function reroute(
  route: Route,
  req: RequestHead,
  error: Error,
  context: RerouteContext,
): Refusal | number {
  const { hosts, connectTimeout } = context;
  hosts.unreached(route.host, error, connectTimeout);
  if (route.binding) return tryAgain(route, route.binding, error, context);
  const tried = route.tried ??= new Set();
  tried.add(route.host);
  const next = hosts.pick(req, route.opens, tried);
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
  // The pause is random, so that requests do not all try again at once.
  return isLate ? 0 : PAUSE * (0.75 + Math.random() / 2);
}
