import { expiryOf, type Binding } from '../sessions/binding';
import type { Bindings } from '../sessions/bindings';
import { startDeadline } from '../base/deadline';
import { ErrorCode, type Absence } from '../base/errors';
import type { Exchange } from '../forwarding/exchange';
import type { Forwarder } from '../forwarding/forwarder';
import type { Host } from '../hosts/host';
import { requestTo } from '../hosts/host-request';
import type { HostTls } from '../hosts/host-tls';
import type { Hosts } from '../hosts/hosts';
import type { EndOutcome, SessionReport, SessionSource } from './operator';
import type { StoredBinding } from '../sessions/session-store';
import { Tunnel } from '../forwarding/tunnel';

/** How long a host may take to close a session, and polls of it to end, in ms. */
const CLOSE_TIMEOUT = 2000;

/** What a host makes of a packet. */
type Answer = 'taken' | 'refused' | 'unknown';

/** The packet `close` with its length, as version 3 of the protocol has it: to version 4 that is data, unread. */
const CLOSE = '1:1';

/** How many sessions of a host are looked for at once: each time all that are known may have to be gone through. */
const BATCH = 1000;

export interface SessionsOptions {
  readonly path: string;
  readonly hostTls: HostTls;
}

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
    const host = await this.#hostOf(found);
    if (!host || host.gone) return 'host_gone';
    return 'holds' in found ? this.#reportOf(found) : storedReportOf(sid, found);
  }

  /** A client of a session that is ended makes a new handshake by itself. Its host closes it as if the client had. */
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

  /** Where its requests would go. */
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
      // While it is being upgraded, its WebSocket does not carry it yet.
      await closeSession(host, sid, body, this.#options).catch(() => {});
    }
    this.#bindings.unbind(binding ?? sid, host, 'ended');
    host.totals.moved += 1;
    if (binding) this.#leave(binding);
    return 'ended';
  }

  /** What is under way ends as if its client had gone. */
  #leave(binding: Binding): void {
    const works = this.#forwarder.of(binding);
    if (works.length === 0) return;
    for (const work of works) if (work instanceof Tunnel) work.leave();
    // Its host answers the poll that it holds with what there is to say, and the client hears with the next one.
    setTimeout(() => {
      for (const work of this.#forwarder.of(binding)) if (!(work instanceof Tunnel)) work.destroy();
    }, CLOSE_TIMEOUT).unref();
  }

  /** Takes up to `count` sessions of a host that are still there, that clients know, and that nobody else is ending. */
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

/** It carries its session, or is about to. */
function isJoined(work: Exchange | Tunnel): work is Tunnel {
  return work instanceof Tunnel && work.isJoined;
}

/** Its packets are sent as forms. */
function isJsonp(url = ''): boolean {
  return /[?&]j=/.test(url);
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
async function closeSession(host: Host, sid: string, body: string, options: SessionsOptions): Promise<boolean> {
  // In either version of the protocol, as hosts refuse the other one. And some refuse the packet, and yet end the
  // session: which the second answer shows.
  for (const version of [4, 3]) {
    const query = `EIO=${version}&transport=polling&sid=${encodeURIComponent(sid)}`;
    if (await send(host, `${options.path}?${query}`, body, options.hostTls) !== 'refused') return true;
  }
  return false;
}

/** @returns what the host makes of it. */
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

/** As Engine.IO says it, and python-engineio. */
function isUnknown(body: string): boolean {
  try {
    const answer: unknown = JSON.parse(body);
    return typeof answer === 'string' ? answer.startsWith('Invalid session')
      : Reflect.get(Object(answer), 'code') === ErrorCode.SESSION_UNKNOWN;
  } catch {
    return false;
  }
}
