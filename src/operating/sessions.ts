import { expiryOf, type Binding } from '../sessions/binding';
import type { Bindings } from '../sessions/bindings';
import { startDeadline } from '../base/deadline';
import { ErrorCode, type Absence } from '../base/refusals';
import type { Exchange } from '../forwarding/exchange';
import type { Forwarder } from '../forwarding/forwarder';
import type { Host } from '../hosts/host';
import { requestTo } from '../hosts/host-request';
import type { HostTls } from '../hosts/host-tls';
import type { Hosts } from '../hosts/hosts';
import type { EndOutcome, SessionReport, SessionSource } from './operator';
import type { StoredBinding } from '../sessions/session-store';
import { Tunnel } from '../forwarding/tunnel';

/** How long a host may take to close a session, and to end its polls, in ms. */
const CLOSE_TIMEOUT = 2000;

/** A host's answer to a packet. `unknown`: it does not know the sid. */
type Answer = 'taken' | 'refused' | 'unknown';

/** The packet `close`, with its length for protocol version 3. Version 4 reads it as a packet with unused data. */
const CLOSE = '1:1';

/** How many sessions of a host to collect at once: collecting may have to go through all bindings. */
const BATCH = 1000;

export interface SessionsOptions {
  readonly path: string;
  readonly hostTls: HostTls;
}

/** The sessions of this process, for its operator. */
export class Sessions implements SessionSource {
  readonly #options: SessionsOptions;
  readonly #hosts: Hosts;
  readonly #bindings: Bindings;
  readonly #forwarder: Forwarder;
  /** The sessions of each host that `endSome` takes next. */
  readonly #batches = new WeakMap<Host, Binding[]>();
  readonly #ending = new Set<Binding>();

  constructor(options: SessionsOptions, hosts: Hosts, bindings: Bindings, forwarder: Forwarder) {
    this.#options = options;
    this.#hosts = hosts;
    this.#bindings = bindings;
    this.#forwarder = forwarder;
  }

  async find(sid: string): Promise<SessionReport | Absence> {
    const found = await this.#bindings.inspect(sid);
    if (!found) return this.#bindings.absence(sid);
    const host = await this.#hostOf(found);
    if (!host || host.gone) return 'host_gone';
    return 'holds' in found ? this.#reportOf(found) : storedReportOf(sid, found);
  }

  /** The host closes the session as if its client had. The client then makes a new handshake by itself. */
  async end(sid: string): Promise<EndOutcome> {
    const found = await this.#bindings.inspect(sid);
    if (!found) return this.#bindings.absence(sid);
    const host = await this.#hostOf(found);
    if (!host || host.gone) return 'host_gone';
    return this.#end(sid, host, 'holds' in found ? found : undefined);
  }

  async endSome(host: string, count: number): Promise<string[]> {
    const known = this.#hosts.get(host);
    if (!known) return [];
    const taken = this.#take(known, count);
    const ends = taken.map((binding) => this.#end(binding.sid, known, binding).catch(() => 'failed'));
    const outcomes = await Promise.all(ends);
    for (const binding of taken) this.#ending.delete(binding);
    return taken.filter((_, at) => outcomes[at] === 'ended').map(({ sid }) => sid);
  }

  /** Forgets a session that another process has ended. */
  forget(sid: string): void {
    this.#bindings.forget(sid, 'ended');
  }

  /** The host that the session's requests would go to. */
  async #hostOf({ host }: Binding | StoredBinding): Promise<Host | undefined> {
    if (typeof host !== 'string') return host;
    return this.#hosts.get(host) ?? this.#hosts.seek(host);
  }

  async #end(sid: string, host: Host, binding: Binding | undefined): Promise<EndOutcome> {
    const works = binding ? this.#forwarder.of(binding) : [];
    const tunnel = works.find(isJoined);
    const body = works.some(({ req: { url } }) => isJsonp(url)) ? `d=${CLOSE}` : CLOSE;
    tunnel?.leave();
    if (!tunnel) {
      if (!await closeSession(host, sid, body, this.#options)) return 'elsewhere';
    } else if (!tunnel.hasOpened) {
      // During the upgrade from polling, the WebSocket does not carry the session yet.
      await closeSession(host, sid, body, this.#options).catch(() => {});
    }
    this.#bindings.unbind(binding ?? sid, host, 'ended');
    host.totals.moved += 1;
    if (binding) this.#leave(binding);
    return 'ended';
  }

  /** Ends the session's open requests and WebSockets as if its client had gone. */
  #leave(binding: Binding): void {
    const works = this.#forwarder.of(binding);
    if (works.length === 0) return;
    for (const work of works) if (work instanceof Tunnel) work.leave();
    // The host answers a held poll. The client learns of the end with its next poll.
    setTimeout(() => {
      for (const work of this.#forwarder.of(binding)) if (!(work instanceof Tunnel)) work.destroy();
    }, CLOSE_TIMEOUT).unref();
  }

  /** Takes up to `count` sessions of a host that are open, known to their clients, and not being ended already. */
  #take(host: Host, count: number): Binding[] {
    const taken: Binding[] = [];
    let batch = this.#batches.get(host) ?? [];
    let isNew = false;
    while (taken.length < count && (batch.length > 0 || !isNew)) {
      const binding = batch.pop();
      if (!binding) {
        batch = this.#of(host, count + BATCH).reverse();
        isNew = true;
      } else if (this.#bindings.has(binding)) {
        this.#ending.add(binding);
        taken.push(binding);
      }
    }
    this.#batches.set(host, batch);
    return taken;
  }

  #of(host: Host, limit: number): Binding[] {
    const found = new Set<Binding>();
    for (const binding of this.#bindings.all()) {
      if (found.size >= limit) break;
      if (binding.host === host && !this.#ending.has(binding)) found.add(binding);
    }
    return [...found];
  }

  #transportOf(binding: Binding): SessionReport['transport'] {
    if (binding.holds === 0) return undefined;
    return this.#forwarder.of(binding).some(isJoined) ? 'websocket' : 'polling';
  }

  #reportOf(binding: Binding): SessionReport {
    const { sid, host, since, holds, ttl } = binding;
    const now = performance.now();
    return {
      sid,
      host: host.name,
      from: 'cache',
      transport: this.#transportOf(binding),
      age: (now - since) / 1000,
      expiresIn: holds > 0 ? ttl : Math.max(0, (expiryOf(binding) - now) / 1000),
      open: holds,
    };
  }
}

/** The WebSocket carries its session, or is about to. */
function isJoined(work: Exchange | Tunnel): work is Tunnel {
  return work instanceof Tunnel && work.isJoined;
}

/** A JSONP client sends its packets as forms. */
function isJsonp(url = ''): boolean {
  return /[?&]j=/.test(url);
}

function storedReportOf(sid: string, { host, expiresIn }: StoredBinding): SessionReport {
  return { sid, host, from: 'store', transport: undefined, age: undefined, expiresIn, open: undefined };
}

/**
 * Closes a session at its host with the packet that its client would send (Engine.IO packet type `close`): the host
 * knows at once, and can keep the state for a client that comes back.
 *
 * @returns whether the session is gone: false if a WebSocket carries it. Rejects if the host does not answer.
 */
async function closeSession(host: Host, sid: string, body: string, options: SessionsOptions): Promise<boolean> {
  // Tries both protocol versions, since hosts refuse the other one. Some hosts refuse the packet and yet end the
  // session, as the second answer shows.
  for (const version of [4, 3]) {
    const query = `EIO=${version}&transport=polling&sid=${encodeURIComponent(sid)}`;
    if (await send(host, `${options.path}?${query}`, body, options.hostTls) !== 'refused') return true;
  }
  return false;
}

function send(host: Host, path: string, body: string, hostTls: HostTls): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'text/plain;charset=UTF-8', 'Content-Length': body.length };
    const req = requestTo(host, hostTls, { method: 'POST', path, headers });
    const cancel = startDeadline(CLOSE_TIMEOUT, () => req.destroy(new Error('the host did not answer in time')));
    req.on('close', cancel);
    req.on('error', reject);
    req.on('response', (res) => {
      let text = '';
      res.setEncoding('latin1').on('data', (chunk: string) => {
        text = (text + chunk).slice(0, 1024);
      });
      const answer = (): Answer => res.statusCode === 200 ? 'taken' : isUnknown(text) ? 'unknown' : 'refused';
      res.on('error', reject).on('end', () => resolve(answer()));
    });
    req.end(body);
  });
}

/** Recognizes the answers of Engine.IO and python-engineio to an unknown sid. */
function isUnknown(body: string): boolean {
  try {
    const answer: unknown = JSON.parse(body);
    return typeof answer === 'string' ? answer.startsWith('Invalid session')
      : Reflect.get(Object(answer), 'code') === ErrorCode.SESSION_UNKNOWN;
  } catch {
    return false;
  }
}
