import { Copy, expiryOf, isHeld, type Binding } from '../sessions/binding';
import type { Bindings } from '../sessions/bindings';
import type { Absence } from '../base/refusals';
import type { Exchange } from '../forwarding/exchange';
import type { Forwarder } from '../forwarding/forwarder';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import type { EndOutcome, SessionReport, SessionSource } from './operator';
import { isJsonp } from '../routing/sniffer';
import { closeSession, hasSession, type SessionAtHostOptions } from '../sessions/session-at-host';
import { Tunnel } from '../forwarding/tunnel';

/** How many sessions of a host to collect at once: collecting may have to go through all bindings. */
const BATCH = 1000;

/** How long the host may take to answer the requests of a session that has ended, before they are cut, in ms. */
const LEAVE_TIMEOUT = 2000;

interface FoundSession {
  readonly sid: string;
  readonly host: Host;
  /** `undefined` where only the store has it. */
  readonly binding: Binding | undefined;
  /** As the store tells it, in seconds. */
  readonly expiresIn: number | undefined;
}

/** The sessions of this process, for its operator. */
export class Sessions implements SessionSource {
  readonly #options: SessionAtHostOptions;
  readonly #hosts: Hosts;
  readonly #bindings: Bindings;
  readonly #forwarder: Forwarder;
  /** The sessions of each host that `endSome` takes next. */
  readonly #batches = new WeakMap<Host, Binding[]>();
  readonly #ending = new Set<Binding>();

  constructor(options: SessionAtHostOptions, hosts: Hosts, bindings: Bindings, forwarder: Forwarder) {
    this.#options = options;
    this.#hosts = hosts;
    this.#bindings = bindings;
    this.#forwarder = forwarder;
  }

  async find(sid: string): Promise<SessionReport | Absence> {
    const session = await this.#look(sid);
    if (typeof session === 'string') return session;
    return session.binding ? this.#reportOf(session.binding) : storedReportOf(session);
  }

  /** The host closes the session as if its client had. The client then makes a new handshake by itself. */
  async end(sid: string): Promise<EndOutcome> {
    const session = await this.#look(sid);
    return typeof session === 'string' ? session : this.#end(session.sid, session.host, session.binding);
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

  /** The sid as it is bound: an operator may have it from a host's log, without its token. */
  #boundSid(sid: string): string {
    const { tokens } = this.#options;
    if (!tokens || this.#bindings.cached(sid)) return sid;
    for (const binding of this.#bindings.all()) if (tokens.cut(binding.sid) === sid) return binding.sid;
    return sid;
  }

  /** The session, with the host that its requests would go to; or why there is none. */
  async #look(given: string): Promise<FoundSession | Absence> {
    const sid = this.#boundSid(given);
    const found = await this.#bindings.inspect(sid);
    if (!found) return this.#bindings.absence(sid);
    const host = typeof found.host === 'string' ? await this.#hosts.seek(found.host) : found.host;
    if (!host || host.gone) return 'host_gone';
    const isConfirmed = 'work' in found && found.copy !== Copy.Unconfirmed;
    // A token does not tell whether the session goes on.
    const isInDoubt = this.#options.tokens !== undefined && !isConfirmed;
    if (isInDoubt && await hasSession(host, sid, this.#options) === false) return 'ended';
    if (isConfirmed || ('work' in found && isHeld(found))) return { sid, host, binding: found, expiresIn: undefined };
    return { sid, host, binding: undefined, expiresIn: 'work' in found ? undefined : found.expiresIn };
  }

  async #end(sid: string, host: Host, binding: Binding | undefined): Promise<EndOutcome> {
    const works = binding ? this.#forwarder.of(binding) : [];
    const tunnel = works.find(isJoined);
    const byForm = works.some((work) => !(work instanceof Tunnel) && isJsonp(work.req.url ?? ''));
    tunnel?.leave();
    if (!tunnel) {
      if (!await closeSession(host, sid, byForm, this.#options)) return 'elsewhere';
    } else if (!tunnel.hasOpened) {
      // During the upgrade from polling, the WebSocket does not carry the session yet.
      await closeSession(host, sid, byForm, this.#options).catch(() => {});
    }
    this.#bindings.unbind(sid, host, binding);
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
    }, LEAVE_TIMEOUT).unref();
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
    const found: Binding[] = [];
    for (const binding of this.#bindings.all()) {
      if (found.length >= limit) break;
      const isOver = binding.copy === Copy.Unconfirmed || this.#ending.has(binding);
      if (binding.host === host && !isOver) found.push(binding);
    }
    return found;
  }

  #transportOf(binding: Binding): SessionReport['transport'] {
    if (!isHeld(binding)) return undefined;
    return this.#forwarder.of(binding).some(isJoined) ? 'websocket' : 'polling';
  }

  #reportOf(binding: Binding): SessionReport {
    const { sid, host, since, ttl } = binding;
    const now = performance.now();
    return {
      sid,
      host: host.name,
      from: 'cache',
      transport: this.#transportOf(binding),
      age: (now - since) / 1000,
      expiresIn: isHeld(binding) ? ttl : Math.max(0, (expiryOf(binding) - now) / 1000),
      open: this.#forwarder.of(binding).length,
    };
  }
}

/** The WebSocket carries its session, or is about to. */
function isJoined(work: Exchange | Tunnel): work is Tunnel {
  return work instanceof Tunnel && work.isJoined;
}

function storedReportOf({ sid, host, expiresIn }: FoundSession): SessionReport {
  return { sid, host: host.name, from: 'store', transport: undefined, age: undefined, expiresIn, open: undefined };
}
