import type { EventEmitter } from 'node:events';
import type { AddressInfo } from 'node:net';
import createDebug from 'debug';
import type { AccessEntry } from '../serving/access';
import { announce } from '../base/announce';
import type { Bindings } from '../sessions/bindings';
import type { Session } from '../forwarding/forwarder';
import type { DownReason } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import type { RolloutState } from './rollout-news';

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
   * fail otherwise. `silent`: it accepts connections but does not answer. `untrusted`: its certificate is not trusted,
   * or is for another name. `failing`: it answers health checks with a status from 500, or one that `checkStatus` does
   * not name, or cuts them. `text` says more where there is more to say, such as what is wrong with the certificate.
   */
  down: [host: string, reason: DownReason, text?: string];
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
  /**
   * Something is probably a mistake, although the host is up. `text` says what, and what to do. Emitted once for each
   * host and mistake. `host` is `undefined` if it is about the server that the proxy was given, or about
   * connections without a header of the PROXY protocol: then once a minute at most.
   */
  suspicious: [host: string | undefined, text: string];
  /** A rebalance has begun to move sessions from the fullest hosts to the others. */
  rebalancing: [];
  /** A rebalance has ended. `moved` is the number of sessions that it moved. */
  rebalanced: [moved: number];
  /**
   * A rollout has begun, its old hosts drain, it is over, or it was stopped. Emitted once for each at every member of
   * the fleet, and at one that starts meanwhile. `old` are the hosts that it replaces, and `hosts` those that replace
   * them: `undefined` where these are all that come later.
   */
  rollout: [state: RolloutState, old: readonly string[], hosts: readonly string[] | undefined];
  /** DNS has failed or does not know the name in `discover`. The hosts stay as they are until DNS answers again. */
  discoveryError: [error: Error];
  /** The former name of `discoveryError`. @deprecated */
  undiscovered: [error: Error];
  /** Another proxy has joined the fleet: `id` is the one by which `GET /api/fleet` shows it. */
  joined: [id: string];
  /** A member of the fleet has ended, or was silent for three of its beats. */
  left: [id: string];
  /**
   * A member of the fleet spells its hosts, `path` or `keyPrefix` otherwise than this proxy: `what` says which. Neither
   * may find the other's sessions. Emitted once for each member.
   */
  disagree: [id: string, what: string];
  /** A session was opened through this proxy and is bound. */
  session: [session: Session];
  /**
   * `host` has assigned the sid of a session that is alive on `otherHost`. The proxy has refused the handshake and
   * closed the new session. A session that was opened by WebSocket goes on, since it needs no routing.
   */
  duplicate: [sid: string, host: string, otherHost: string];
  /** A request or a WebSocket has ended: for an access log. Costs nothing without a listener. */
  access: [entry: AccessEntry];
  /**
   * The session store has failed. This proxy goes on with the bindings that it remembers. Emitted again before
   * `recovered` if the store later says why it fails: once each for credentials, a certificate, a Redis that takes no
   * writes, and any other answer.
   */
  degraded: [error: Error];
  /** The session store works again. */
  recovered: [];
  /** The admin server is listening. */
  adminListening: [address: AddressInfo];
  /** The former name of `adminListening`. @deprecated */
  operated: [address: AddressInfo];
  /** `close()` has begun. */
  closing: [];
  /** `close()` has ended. */
  close: [];
}

/** Emits the events of the parts as events of the proxy. */
export function relayEvents(hosts: Hosts, bindings: Bindings, proxy: EventEmitter<ProxyEvents>): void {
  relayHosts(hosts, proxy);
  relayBindings(bindings, proxy);
  relayFormerNames(proxy);
}

/** Emits the events of the hosts as events of the proxy. */
export function relayHosts(hosts: Hosts, proxy: EventEmitter<ProxyEvents>): void {
  hosts.on('up', ({ name }) => {
    debug('%s is up', name);
    announce(proxy, 'up', name);
  });
  hosts.on('down', ({ name, downText }, reason) => {
    debug('%s is down: %s %s', name, reason, downText ?? '');
    if (downText === undefined) announce(proxy, 'down', name, reason);
    else announce(proxy, 'down', name, reason, downText);
  });
  hosts.on('suspicious', ({ name }, text) => {
    debug('%s: %s', name, text);
    announce(proxy, 'suspicious', name, text);
  });
  for (const event of ['added', 'removed', 'draining', 'undrained', 'drained'] as const) {
    hosts.on(event, ({ name }) => {
      debug('%s is %s', name, event);
      announce(proxy, event, name);
    });
  }
}

/** Emits the events that have new names under their former ones too. */
function relayFormerNames(proxy: EventEmitter<ProxyEvents>): void {
  proxy.on('discoveryError', (error) => announce(proxy, 'undiscovered', error));
  proxy.on('adminListening', (address) => announce(proxy, 'operated', address));
}

function relayBindings(bindings: Bindings, proxy: EventEmitter<ProxyEvents>): void {
  bindings.on('degraded', (error) => announce(proxy, 'degraded', error));
  bindings.on('recovered', () => announce(proxy, 'recovered'));
  bindings.on('duplicate', (sid, host, other) => announce(proxy, 'duplicate', sid, host.name, other));
}
