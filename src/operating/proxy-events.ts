import type { EventEmitter } from 'node:events';
import type { AddressInfo } from 'node:net';
import createDebug from 'debug';
import type { AccessEntry } from '../serving/access';
import { announce } from '../base/announce';
import type { Bindings } from '../sessions/bindings';
import type { Session } from '../forwarding/forwarder';
import type { DownReason } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';

const debug = createDebug('socket.io-proxy:proxy');

/** Events of {@link Proxy}, and what their listeners are given. */
export interface ProxyEvents {
  /** The server listens. */
  listening: [];
  /** The server has failed, for instance with `EADDRINUSE`, or the admin server has. */
  error: [error: Error];
  /** A host is up, after it was down or for the first time. */
  up: [host: string];
  /**
   * A host is down: no new session goes there. `refused`: nothing listens there. `unreachable`: no connection to it
   * comes about. `silent`: it takes connections and does not answer. `failing`: it answers health checks with a status
   * from 500, or cuts them.
   */
  down: [host: string, reason: DownReason];
  /** A host was added, by `addHost()` or from DNS. It is up once its first health check is over, if that is good. */
  added: [host: string];
  /** A host was removed, by `removeHost()`, or as DNS no longer names it. */
  removed: [host: string];
  /** A host gets no new session any more, by `drainHost()`, or as DNS no longer names it. */
  draining: [host: string];
  /** A host that was draining gets new sessions again. */
  undrained: [host: string];
  /** A host that is draining has no session, request or WebSocket left, as far as this proxy knows. */
  drained: [host: string];
  /** Sessions are being moved from the fullest hosts to the others. */
  rebalancing: [];
  /** That is over, and so many were moved. */
  rebalanced: [moved: number];
  /** DNS has failed, or does not know the name in `discover`: the hosts stay as they are until it does again. */
  discoveryError: [error: Error];
  /** The earlier name of `discoveryError`. @deprecated */
  undiscovered: [error: Error];
  /** A session was opened through this proxy, and is bound. */
  session: [session: Session];
  /** A request or a WebSocket is over: for an access log. It costs nothing while nobody listens for it. */
  access: [entry: AccessEntry];
  /** The session store has failed: this proxy goes on with what it knows. */
  degraded: [error: Error];
  /** The session store works again. */
  recovered: [];
  /** The admin server listens. */
  adminListening: [address: AddressInfo];
  /** The earlier name of `adminListening`. @deprecated */
  operated: [address: AddressInfo];
  /** `close()` has begun. */
  closing: [];
  /** `close()` is done. */
  close: [];
}

/** Tells what hosts do as the proxy's events. */
export function relayHosts(hosts: Hosts, proxy: EventEmitter<ProxyEvents>): void {
  hosts.on('up', ({ name }) => {
    debug('%s is up', name);
    announce(proxy, 'up', name);
  });
  hosts.on('down', ({ name }, reason) => {
    debug('%s is down: %s', name, reason);
    announce(proxy, 'down', name, reason);
  });
  for (const event of ['added', 'removed', 'draining', 'undrained', 'drained'] as const) {
    hosts.on(event, ({ name }) => {
      debug('%s is %s', name, event);
      announce(proxy, event, name);
    });
  }
  proxy.on('discoveryError', (error) => announce(proxy, 'undiscovered', error));
  proxy.on('adminListening', (address) => announce(proxy, 'operated', address));
}

/** Tells what the bindings do as the proxy's events. */
export function relayBindings(bindings: Bindings, proxy: EventEmitter<ProxyEvents>): void {
  bindings.on('degraded', (error) => announce(proxy, 'degraded', error));
  bindings.on('recovered', () => announce(proxy, 'recovered'));
}
