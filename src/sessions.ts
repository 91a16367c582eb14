import http from 'node:http';
import https from 'node:https';
import { expiryOf, type Binding } from './binding';
import type { Bindings } from './bindings';
import { startDeadline } from './deadline';
import { ErrorCode, type Absence } from './errors';
import type { Forwarder } from './forwarder';
import type { Host } from './host';
import type { Hosts } from './hosts';
import type { EndOutcome, SessionReport, SessionSource } from './operator';
import type { ResolvedOptions } from './options';
import type { StoredBinding } from './session-store';
import { Tunnel } from './tunnel';

/** How long a host may take to close a session, and polls of it to end, in ms. */
const CLOSE_TIMEOUT = 2000;

/** How many sessions of a host are looked for at once: each time all that are known may have to be gone through. */
const BATCH = 1000;

export type SessionsOptions = Pick<ResolvedOptions, 'path' | 'hostTls'>;

/** The sessions of this process, for those who operate it. */
export class Sessions implements SessionSource {
  readonly #options: SessionsOptions;
  readonly #hosts: Hosts;
  readonly #bindings: Bindings;
  readonly #forwarder: Forwarder;
  /** Of each host, sessions that are to be ended when some are. */
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
    return 'holds' in found ? this.#reportOf(found) : storedReportOf(sid, found);
  }

  /** A client of a session that is ended makes a new handshake by itself. Its host closes it as if the client had. */
  async end(sid: string): Promise<EndOutcome> {
    const found = await this.#bindings.inspect(sid);
    if (!found) return this.#bindings.absence(sid);
    if ('holds' in found) return this.#end(found);
    const host = this.#hosts.get(found.host);
    if (!host) return 'host_gone';
    if (!await closeSession(host, sid, this.#options)) return 'elsewhere';
    this.#bindings.unbind(sid, 'ended');
    return 'ended';
  }

  async endSome(host: string, count: number): Promise<string[]> {
    const known = this.#hosts.get(host);
    if (!known) return [];
    const taken = this.#take(known, count);
    for (const binding of taken) this.#ending.add(binding);
    const outcomes = await Promise.all(taken.map((binding) => this.#end(binding).catch(() => 'failed')));
    for (const binding of taken) this.#ending.delete(binding);
    const ended = taken.filter((_, at) => outcomes[at] === 'ended');
    known.totals.moved += ended.length;
    return ended.map(({ sid }) => sid);
  }

  /** Forgets a session that another process has ended. */
  forget(sid: string): void {
    this.#bindings.unbind(sid, 'ended');
  }

  async #end(binding: Binding): Promise<EndOutcome> {
    const { sid, host } = binding;
    // By polling its host answers the poll that it holds with what there is to say, and the client hears with the next.
    if (!this.#hasTunnel(binding) && !await closeSession(host, sid, this.#options)) return 'elsewhere';
    this.#bindings.unbind(sid, 'ended');
    for (const work of this.#forwarder.of(binding)) if (work instanceof Tunnel) work.leave();
    startDeadline(CLOSE_TIMEOUT, () => {
      for (const work of this.#forwarder.of(binding)) if (!(work instanceof Tunnel)) work.destroy();
    });
    return 'ended';
  }

  #hasTunnel(binding: Binding): boolean {
    return this.#forwarder.of(binding).some((work) => work instanceof Tunnel && work.isJoined);
  }

  /** Up to `count` sessions of a host that are still there. */
  #take(host: Host, count: number): Binding[] {
    let batch = this.#batches.get(host) ?? [];
    if (batch.length < count) {
      batch = this.#of(host, count + BATCH);
      this.#batches.set(host, batch);
    }
    return batch.splice(0, count).filter((binding) => this.#bindings.has(binding));
  }

  #of(host: Host, limit: number): Binding[] {
    const found = new Set<Binding>();
    for (const binding of this.#bindings.all()) {
      if (found.size >= limit) break;
      if (binding.host === host && !this.#ending.has(binding)) found.add(binding);
    }
    return [...found];
  }

  #reportOf(binding: Binding): SessionReport {
    const { sid, host, since, holds, ttl } = binding;
    const now = Date.now();
    return {
      sid,
      host: host.name,
      from: 'cache',
      transport: this.#hasTunnel(binding) ? 'websocket' : holds > 0 ? 'polling' : undefined,
      age: (now - since) / 1000,
      expiresIn: holds > 0 ? ttl : Math.max(0, (expiryOf(binding) - now) / 1000),
      open: holds,
    };
  }
}

function storedReportOf(sid: string, { host, expiresIn }: StoredBinding): SessionReport {
  return { sid, host, from: 'store', transport: undefined, age: undefined, expiresIn, open: undefined };
}

/**
 * Closes a session at its host, by the packet with which its client would (Engine.IO protocol, packet type `close`): so
 * the host knows at once, and can keep what a client needs that comes back.
 *
 * @returns whether it is gone: not so where a WebSocket carries it. Rejects when the host does not answer.
 */
async function closeSession(host: Host, sid: string, options: SessionsOptions): Promise<boolean> {
  // Some hosts refuse the packet, and yet end the session.
  return await isGoneAfterClose(host, sid, options) || isGoneAfterClose(host, sid, options);
}

function isGoneAfterClose({ url, port }: Host, sid: string, { path, hostTls }: SessionsOptions): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const target = {
      hostname: url.hostname.replace(/^\[|\]$/g, ''),
      port,
      method: 'POST',
      path: `${path}?EIO=4&transport=polling&sid=${encodeURIComponent(sid)}`,
      headers: { 'Content-Type': 'text/plain;charset=UTF-8', 'Content-Length': 1 },
      agent: false,
    };
    const req = url.protocol === 'https:' ? https.request({ ...hostTls, ...target }) : http.request(target);
    const callOff = startDeadline(CLOSE_TIMEOUT, () => req.destroy(new Error('the host did not answer in time')));
    req.on('close', callOff);
    req.on('error', reject);
    req.on('response', (res) => {
      let body = '';
      res.setEncoding('latin1').on('data', (chunk: string) => {
        body = (body + chunk).slice(0, 1024);
      });
      res.on('error', reject).on('end', () => resolve(res.statusCode === 200 || isUnknown(body)));
    });
    req.end('1');
  });
}

/** As Engine.IO says it, and python-engineio. */
function isUnknown(body: string): boolean {
  try {
    const answer: unknown = JSON.parse(body);
    return Reflect.get(Object(answer), 'code') === ErrorCode.SESSION_UNKNOWN;
  } catch {
    return /invalid session/i.test(body);
  }
}
