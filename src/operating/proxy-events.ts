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

/** Events of {@link Proxy}, with the arguments of their listeners. */
export interface ProxyEvents {
  /** The server is listening. */
  listening: [];
  /** The server or the admin server has failed, for example with `EADDRINUSE`. */
  error: [error: Error];
  /** A host has come up, for the first time or after it was down. */
  up: [host: string];
  /**
   * A host has gone down and gets no new sessions. `refused`: it refuses connections. `unreachable`: connections to it
   * fail otherwise. `silent`: it accepts connections but does not answer. `failing`: it answers health checks with a
   * status from 500, or cuts them.
   */
  down: [host: string, reason: DownReason];
  /** `addHost()` or DNS has added a host. It is up once a health check succeeds. */
  added: [host: string];
  /** A host was removed: by `removeHost()`, or because DNS no longer names it. */
  removed: [host: string];
  /** A host gets no new sessions any more: by `drainHost()`, or because DNS no longer names it. */
  draining: [host: string];
  /** A host that was draining gets new sessions again. */
  undrained: [host: string];
  /** A draining host has no session, request or WebSocket left that this proxy knows of. */
  drained: [host: string];
  /** A rebalance has begun to move sessions from the fullest hosts to the others. */
  rebalancing: [];
  /** A rebalance has ended. `moved` is the number of sessions that it moved. */
  rebalanced: [moved: number];
  /** DNS has failed or does not know the name in `discover`. The hosts stay as they are until DNS answers again. */
  discoveryError: [error: Error];
  /** The former name of `discoveryError`. @deprecated */
  undiscovered: [error: Error];
  /** A session was opened through this proxy and is bound. */
  session: [session: Session];
  /** A request or a WebSocket has ended: for an access log. Costs nothing without a listener. */
  access: [entry: AccessEntry];
  /** The session store has failed. This proxy goes on with the bindings that it remembers. */
  degraded: [error: Error];
  /** The session store works again. */
  recovered: [];
  /**
   * Something will probably fail, and `text` says what to do. It is told once. `host` is `undefined` if it is about the
   * proxy's own server.
   */
  suspicious: [host: string | undefined, text: string];
  /** The admin server is listening. */
  adminListening: [address: AddressInfo];
  /** The former name of `adminListening`. @deprecated */
  operated: [address: AddressInfo];
  /** `close()` has begun. */
  closing: [];
  /** `close()` has ended. */
  close: [];
}

/** Emits the events of the hosts as events of the proxy. */
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

/** Emits the events of the bindings as events of the proxy. */
export function relayBindings(bindings: Bindings, proxy: EventEmitter<ProxyEvents>): void {
  bindings.on('degraded', (error) => announce(proxy, 'degraded', error));
  bindings.on('recovered', () => announce(proxy, 'recovered'));
}
