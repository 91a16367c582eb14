import type { IncomingMessage } from 'node:http';
import type { Binding } from './binding';
import type { Bindings } from './bindings';
import { refusals, type Refusal } from './errors';
import type { Host } from './host';
import type { Hosts } from './hosts';

/** Where a request goes. */
export interface Route {
  host: Host;
  /** The session's binding; `undefined` for a handshake until it has opened one. */
  binding: Binding | undefined;
  /** The hosts that a handshake could not reach; `undefined` while there is none. */
  tried: Set<Host> | undefined;
}

export interface RerouteContext {
  readonly hosts: Hosts;
  readonly bindings: Bindings;
  readonly connectTimeout: number;
}

/**
 * What becomes of a request whose host could not be reached, so that nothing of it can have arrived there: a handshake
 * goes to another host, a session's request is refused.
 *
 * @returns the refusal, or `undefined` when `route.host` is another host now.
 */
export function reroute(
  route: Route,
  req: IncomingMessage,
  error: Error,
  context: RerouteContext,
): Refusal | undefined {
  const { hosts, bindings, connectTimeout } = context;
  const { host, binding } = route;
  hosts.unreached(host, error, connectTimeout);
  if (binding) {
    // Not every failure to connect means that the session is lost.
    if (!host.gone) return refusals.hostUnreached;
    bindings.discount(binding);
    return refusals.host_gone;
  }
  const tried = route.tried ??= new Set();
  tried.add(host);
  const next = hosts.pick(req, tried);
  if (!next) return hosts.open ? refusals.hostUnreached : refusals.noHost;
  route.host = next;
  return undefined;
}
