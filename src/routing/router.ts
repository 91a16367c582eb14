import type { IncomingMessage, Server } from 'node:http';
import type { Admission } from './admission';
import type { Binding } from '../sessions/binding';
import type { Bindings } from '../sessions/bindings';
import { refusals, type Refusal } from '../base/errors';
import type { Hosts } from '../hosts/hosts';
import { faultOf, maxFieldsOf } from './request-checks';
import { routeTo, type Route } from './route';
import { mayOpenByPolling, sidOf } from './sniffer';
import { originFormOf } from '../base/target';

/**
 * What no request's target holds (RFC 9112 §3.2): a fragment, on which servers disagree, and anything but visible
 * ASCII, which some of Node's parsers let through.
 */
const NO_TARGET = /[^\x21-\x7e]|#/;

/** What servers resolve, each in its way (RFC 3986 §5.2.4): it may lead to a path that the proxy does not capture. */
const DOT_SEGMENT = /(?:[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:[/\\;]|%2f|%5c|$)/i;

export interface RouterOptions {
  readonly path: string;
  readonly onStoreFailure: 'local' | 'refuse';
  /** The caller's, where there is one. */
  readonly server: Pick<Server, 'maxHeadersCount'> | undefined;
}

/** Decides where a request goes: by its sid to the session's host, without one to any host that is up. */
export class Router {
  readonly #path: string;
  readonly #refusesUnstored: boolean;
  readonly #server: RouterOptions['server'];
  readonly #hosts: Hosts;
  readonly #bindings: Bindings;
  /** `undefined` where every handshake may go on. */
  readonly #admission: Admission | undefined;

  constructor({ path, onStoreFailure, server }: RouterOptions, hosts: Hosts, bindings: Bindings, admission: Admission) {
    this.#path = path;
    this.#refusesUnstored = onStoreFailure === 'refuse';
    this.#server = server;
    this.#hosts = hosts;
    this.#bindings = bindings;
    this.#admission = admission.isLimited ? admission : undefined;
  }

  /** The request is on `path`: with its last slash or, as Engine.IO's `addTrailingSlash: false` has it, without. */
  owns(target: string): boolean {
    const url = originFormOf(target);
    const path = this.#path;
    if (url.startsWith(path)) return true;
    const bare = path.length - 1;
    return url.startsWith(path.slice(0, bare)) && (url.length === bare || url[bare] === '?');
  }

  /** Where the request goes, or why it does not. A promise only where something is waited for; it never rejects. */
  route(req: IncomingMessage): Route | Refusal | Promise<Route | Refusal> {
    const fault = faultOf(req, maxFieldsOf(this.#server));
    if (fault) return fault;
    const url = originFormOf(req.url ?? '');
    if (!this.owns(url)) return refusals.badPath;
    if (NO_TARGET.test(url) || this.#mayLeave(url)) return refusals.badTarget;
    const sid = sidOf(url);
    if (sid === undefined) return this.#handshake(req, url);
    if (sid === '') return refusals.malformedSid;
    const binding = this.#bindings.find(sid);
    return binding instanceof Promise ? this.#lookUp(sid, binding) : this.#follow(binding);
  }

  /** A server may take the path for one outside of `path`. */
  #mayLeave(url: string): boolean {
    const end = this.#path.length;
    // As a rule there is nothing behind it.
    if (url.length <= end || url[end] === '?') return false;
    const query = url.indexOf('?');
    return DOT_SEGMENT.test(url.slice(end - 1, query === -1 ? url.length : query));
  }

  #handshake(req: IncomingMessage, url: string): Route | Refusal | Promise<Route | Refusal> {
    const isGet = req.method === 'GET';
    const byPolling = isGet && mayOpenByPolling(url);
    // What opens no session, such as a preflight, is not counted.
    const opens = byPolling || (isGet && req.headers.upgrade !== undefined);
    const admitted = opens ? this.#admit(req, byPolling) : undefined;
    if (admitted instanceof Promise) return admitted.then((refusal) => refusal ?? this.#pick(req, byPolling));
    return admitted ?? this.#pick(req, byPolling);
  }

  #admit(req: IncomingMessage, byPolling: boolean): ReturnType<Admission['admit']> {
    // What would wait for nothing is refused at once.
    if (!this.#admission || !this.#hosts.open || this.#isUnstored(byPolling)) return undefined;
    return this.#admission.admit(req);
  }

  /** Hosts change while a handshake waits. */
  #pick(req: IncomingMessage, byPolling: boolean): Route | Refusal {
    if (this.#isUnstored(byPolling)) return refusals.storeFailed;
    const host = this.#hosts.pick(req);
    return host ? routeTo(host, undefined) : refusals.noHost;
  }

  /** A session that is opened by WebSocket needs no store: its requests are over with the handshake. */
  #isUnstored(byPolling: boolean): boolean {
    return byPolling && this.#refusesUnstored && this.#bindings.degraded;
  }

  async #lookUp(sid: string, looking: Promise<Binding | undefined>): Promise<Route | Refusal> {
    try {
      const binding = await looking;
      if (binding) return this.#follow(binding);
      const absence = this.#bindings.absence(sid);
      // It may be one of those that DNS will name.
      return absence === 'host_gone' && this.#hosts.undiscovered ? refusals.noHost : refusals[absence];
    } catch {
      return refusals.storeFailed;
    }
  }

  #follow(binding: Binding): Route | Refusal {
    const { host } = binding;
    if (host.gone) {
      this.#bindings.discount(binding);
      return refusals.host_gone;
    }
    return routeTo(host, binding);
  }
}
