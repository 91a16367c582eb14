import type { IncomingMessage, Server } from 'node:http';
import { AddressLimit, type AddressLimitOptions } from './address-limit';
import type { Admission } from './admission';
import type { Binding } from '../sessions/binding';
import type { Bindings } from '../sessions/bindings';
import { refusals, type Refusal } from '../base/refusals';
import type { PlainHead, RequestHead } from '../base/request-head';
import type { Hosts } from '../hosts/hosts';
import { faultOf, maxFieldsOf } from './request-checks';
import { routeTo, type Route } from './route';
import { mayOpenByPolling, sidOf } from './sniffer';
import { originFormOf } from '../base/target';

/**
 * Not allowed in a request's target (RFC 9112 §3.2): a fragment, on which servers disagree, and anything but visible
 * ASCII, which some of Node's parsers accept.
 */
const FORBIDDEN = /[^\x21-\x7e]|#/;

/** Dot segments, which servers resolve differently (RFC 3986 §5.2.4): they may lead outside of the proxy's path. */
const DOT_SEGMENT = /(?:[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:[/\\;]|%2f|%5c|$)/i;

export interface RouterOptions extends AddressLimitOptions {
  readonly path: string;
  readonly onStoreFailure: 'local' | 'refuse';
  /** The caller's server, if there is one. */
  readonly server: Pick<Server, 'maxHeadersCount'> | undefined;
}

/** Decides where a request goes: with a sid to the session's host, without one to any host that is up. */
export class Router {
  readonly #path: string;
  readonly #refusesUnstored: boolean;
  readonly #server: RouterOptions['server'];
  readonly #hosts: Hosts;
  readonly #bindings: Bindings;
  readonly #admission: Admission;
  readonly #addresses: AddressLimit;

  constructor(options: RouterOptions, hosts: Hosts, bindings: Bindings, admission: Admission) {
    this.#path = options.path;
    this.#refusesUnstored = options.onStoreFailure === 'refuse';
    this.#server = options.server;
    this.#addresses = new AddressLimit(options);
    this.#hosts = hosts;
    this.#bindings = bindings;
    this.#admission = admission;
  }

  /** Whether the target is on `path`, with or without its last slash (Engine.IO's `addTrailingSlash: false`). */
  owns(target: string): boolean {
    const url = originFormOf(target);
    const path = this.#path;
    if (url.startsWith(path)) return true;
    const bare = path.length - 1;
    return url.startsWith(path.slice(0, bare)) && (url.length === bare || url[bare] === '?');
  }

  /** Why the request is refused whatever its target, if it is: where it ends cannot be trusted. */
  headFaultOf(req: IncomingMessage): Refusal | undefined {
    return faultOf(req, maxFieldsOf(this.#server));
  }

  /** Why the request is refused whatever the state of hosts and sessions, if it is. */
  faultOf(req: IncomingMessage | PlainHead): Refusal | undefined {
    const fault = 'isPlain' in req ? undefined : this.headFaultOf(req);
    if (fault) return fault;
    const url = originFormOf(req.url ?? '');
    if (!this.owns(url)) return refusals.badPath;
    return FORBIDDEN.test(url) || this.#mayLeavePath(url) ? refusals.badTarget : undefined;
  }

  /** The request's route or refusal. A promise only when the result must be waited for; it never rejects. */
  route(req: IncomingMessage | PlainHead): Route | Refusal | Promise<Route | Refusal> {
    const fault = this.faultOf(req);
    if (fault) return fault;
    const url = originFormOf(req.url ?? '');
    const sid = sidOf(url);
    if (sid === undefined) return this.#handshake(req, url);
    if (sid === '') return refusals.malformedSid;
    const binding = this.#bindings.find(sid);
    return binding instanceof Promise ? this.#lookUp(sid, binding) : this.#routeOf(binding);
  }

  /** Whether a server may resolve the target to something outside of `path`. */
  #mayLeavePath(url: string): boolean {
    const end = this.#path.length;
    // Usually nothing follows the path.
    if (url.length <= end || url[end] === '?') return false;
    const query = url.indexOf('?');
    return DOT_SEGMENT.test(url.slice(end - 1, query === -1 ? url.length : query));
  }

  #handshake(req: RequestHead, url: string): Route | Refusal | Promise<Route | Refusal> {
    const isGet = req.method === 'GET';
    const byPolling = isGet && mayOpenByPolling(url);
    // Requests that open no session, such as preflights, do not count.
    const opens = byPolling || (isGet && req.headers.upgrade !== undefined);
    const admitted = opens ? this.#admit(req, byPolling) : undefined;
    if (admitted instanceof Promise) return admitted.then((refusal) => refusal ?? this.#pick(req, opens, byPolling));
    return admitted ?? this.#pick(req, opens, byPolling);
  }

  #admit(req: RequestHead, byPolling: boolean): ReturnType<Admission['admit']> {
    // A handshake that `#pick` would refuse need not wait.
    if (this.#hosts.full || this.#isUnstored(byPolling)) return undefined;
    return this.#addresses.admit(req) ?? this.#admission.admit(req);
  }

  /** Called after admission, since hosts change while a handshake waits. */
  #pick(req: RequestHead, opens: boolean, byPolling: boolean): Route | Refusal {
    if (this.#isUnstored(byPolling)) return refusals.storeFailed;
    const host = this.#hosts.pick(req, opens);
    if (host) return routeTo(host, undefined, opens);
    return this.#hosts.open ? refusals.hostsFull : refusals.noHost;
  }

  /** Whether the session must be stored but cannot be. Opened by WebSocket, it need not: no further request follows. */
  #isUnstored(byPolling: boolean): boolean {
    return byPolling && this.#refusesUnstored && this.#bindings.degraded;
  }

  async #lookUp(sid: string, looking: Promise<Binding | undefined>): Promise<Route | Refusal> {
    try {
      const binding = await looking;
      if (binding) return this.#routeOf(binding);
      const absence = this.#bindings.absence(sid);
      // DNS may still name the host.
      return absence === 'host_gone' && this.#hosts.awaitsDiscovery ? refusals.noHost : refusals[absence];
    } catch {
      return refusals.storeFailed;
    }
  }

  #routeOf(binding: Binding): Route | Refusal {
    const { host } = binding;
    if (host.gone) {
      this.#bindings.discount(binding);
      return refusals.host_gone;
    }
    return routeTo(host, binding, false);
  }
}
