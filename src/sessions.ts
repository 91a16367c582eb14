import http from 'node:http';
import https from 'node:https';
import { expiryOf, type Binding } from './binding';
import type { Bindings } from './bindings';
import { startDeadline } from './deadline';
import { ErrorCode, type Absence } from './errors';
import type { Exchange } from './exchange';
import type { Forwarder } from './forwarder';
import type { Host } from './host';
import type { Hosts } from './hosts';
import type { EndOutcome, SessionReport, SessionSource } from './operator';
import type { ResolvedOptions } from './options';
import type { StoredBinding } from './session-store';
import { Tunnel } from './tunnel';

/** How long a host may take to close a session, and polls of it to end, in ms. */
const CLOSE_TIMEOUT = 2000;

/** A payload that is a packet `close` in protocol 3, where its length stands before it, and in protocol 4 as well. */
const CLOSE_PACKET = '1:1';

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
    const found = await this.#look(sid);
    if (typeof found === 'string') return found;
    return 'holds' in found ? this.#reportOf(found) : storedReportOf(sid, found);
  }

  /** A client of a session that is ended makes a new handshake by itself. Its host closes it as if the client had. */
  async end(sid: string): Promise<EndOutcome> {
    const found = await this.#look(sid);
    if (typeof found === 'string') return found;
    if ('holds' in found) return this.#end(found);
    const host = this.#hosts.named(found.host);
    return await closeSession(host, sid, this.#options) ? this.#ended(sid, host) : 'elsewhere';
  }

  async endSome(host: string, count: number): Promise<string[]> {
    const known = this.#hosts.get(host);
    if (!known) return [];
    const taken = this.#take(known, count);
    for (const binding of taken) this.#ending.add(binding);
    const outcomes = await Promise.all(taken.map((binding) => this.#end(binding).catch(() => 'failed')));
    for (const binding of taken) this.#ending.delete(binding);
    return taken.filter((_, at) => outcomes[at] === 'ended').map(({ sid }) => sid);
  }

  /** Forgets a session that another process has ended. */
  forget(sid: string): void {
    this.#bindings.unbind(sid, 'ended');
  }

  /** The binding, as it is known here or to the store. */
  async #look(sid: string): Promise<Binding | StoredBinding | Absence> {
    const found = await this.#bindings.inspect(sid);
    if (!found) return this.#bindings.absence(sid);
    const host = 'holds' in found ? found.host : this.#hosts.get(found.host);
    return host && !host.gone ? found : 'host_gone';
  }

  async #end(binding: Binding): Promise<EndOutcome> {
    const { sid, host } = binding;
    const work = this.#forwarder.of(binding);
    // While polls come beside a WebSocket, it is not yet what carries the session.
    const isUpgraded = work.some(isJoined) && work.every((each) => each instanceof Tunnel);
    // By polling its host answers the poll that it holds with what there is to say, and the client hears with the next.
    if (!isUpgraded && !await closeSession(host, sid, this.#options) && !this.#hasTunnel(binding)) return 'elsewhere';
    this.#ended(sid, host);
    for (const each of this.#forwarder.of(binding)) if (each instanceof Tunnel) each.leave();
    startDeadline(CLOSE_TIMEOUT, () => {
      for (const each of this.#forwarder.of(binding)) if (!(each instanceof Tunnel)) each.destroy();
    });
    return 'ended';
  }

  #ended(sid: string, host: Host): 'ended' {
    this.#bindings.unbind(sid, 'ended');
    host.totals.moved += 1;
    return 'ended';
  }

  #hasTunnel(binding: Binding): boolean {
    return this.#forwarder.of(binding).some(isJoined);
  }

  /** Up to `count` sessions of a host that are still there. */
  #take(host: Host, count: number): Binding[] {
    const taken: Binding[] = [];
    let batch = this.#batches.get(host) ?? [];
    let isNew = false;
    while (taken.length < count) {
      const next = batch.shift();
      if (next) {
        if (this.#bindings.has(next)) taken.push(next);
      } else if (isNew) {
        break;
      } else {
        isNew = true;
        batch = this.#of(host, count + BATCH).filter((binding) => !taken.includes(binding));
        this.#batches.set(host, batch);
      }
    }
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

function isJoined(work: Exchange | Tunnel): boolean {
  return work instanceof Tunnel && work.isJoined;
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
      headers: { 'Content-Type': 'text/plain;charset=UTF-8', 'Content-Length': CLOSE_PACKET.length },
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
    req.end(CLOSE_PACKET);
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
