import { Connection, type ConnectionOptions, type ConnectionOwner } from './connection';
import type { Host } from '../hosts/host';
import { Trust, type IdleTime } from './trust';

/** How often idle connections are looked through, in ms. */
const SWEEP_INTERVAL = 200;

/**
 * How long the host has to close a connection that is not kept, in ms. The one who closes first keeps the port for a
 * minute: the host has one for all, and this side one for each.
 */
const LINGER_TIME = 1000;

interface Idle {
  readonly connection: Connection;
  readonly time: IdleTime;
}

export interface ConnectionsOptions extends ConnectionOptions {
  /** For how long hosts keep idle connections, in ms; `undefined` where that is to be found out. */
  readonly hostKeepAlive: number | undefined;
}

/**
 * The connections to one host, idle ones in a stack: the one that was used last is taken first, so that as few as
 * possible are kept. No request looks through those that are busy, however many polls are held.
 */
class HostConnections implements ConnectionOwner {
  readonly host: Host;
  tlsSession: Buffer | undefined;
  readonly #options: ConnectionsOptions;
  #trust: Trust;
  /** The host's era that the trust is for: a host that has refused a connection comes back as another process. */
  #era: number;
  readonly #idle: Idle[] = [];
  /** Each with the trust that it was opened under. */
  readonly #all = new Map<Connection, Trust>();
  /** Those that are to be closed, by the host if it does so, and since when. */
  readonly #leaving = new Map<Connection, number>();
  #sweeping: NodeJS.Timeout | undefined;

  constructor(host: Host, options: ConnectionsOptions) {
    this.host = host;
    this.#options = options;
    this.#era = host.era;
    this.#trust = new Trust(options.hostKeepAlive);
  }

  acquire(): Connection {
    if (this.host.era !== this.#era) this.#startAnew();
    const now = performance.now();
    const last = this.#trust.isGiven ? this.#idle.at(-1) : undefined;
    if (last && now - last.time.since < last.time.reuse) {
      this.#idle.pop();
      const { connection } = last;
      connection.isReused = true;
      connection.takenAt = now;
      return connection;
    }
    const connection = new Connection(this, this.#options, this.#trust.keeps(this.#idle.length), now);
    this.#all.set(connection, this.#trust);
    return connection;
  }

  release(connection: Connection, mayKeep: boolean, told: number | undefined): void {
    const now = performance.now();
    const trust = this.#all.get(connection);
    trust?.answered(connection.takenAt);
    const time = mayKeep && connection.keepAlive && trust === this.#trust ? trust.begin(now, told) : undefined;
    if (time && trust?.keeps(this.#idle.length)) this.#idle.push({ connection, time });
    else this.#leaving.set(connection, now);
    this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_INTERVAL).unref();
  }

  forget(connection: Connection, byHost: boolean): void {
    const trust = this.#all.get(connection);
    if (!trust) return;
    this.#all.delete(connection);
    if (this.#leaving.delete(connection)) return;
    const at = this.#idle.findIndex((idle) => idle.connection === connection);
    const [idle] = at === -1 ? [] : this.#idle.splice(at, 1);
    if (!byHost) return;
    if (idle) trust.closed(idle.time, performance.now());
    else trust.lose();
  }

  count(): void {
    for (const connection of this.#all.keys()) connection.count();
  }

  destroy(): void {
    clearInterval(this.#sweeping);
    for (const connection of this.#all.keys()) connection.destroy();
  }

  #startAnew(): void {
    this.#era = this.host.era;
    this.#trust = new Trust(this.#options.hostKeepAlive);
    for (const { connection } of this.#idle.slice()) connection.destroy();
  }

  #sweep(): void {
    const now = performance.now();
    for (const [connection, since] of this.#leaving) {
      if (now - since < LINGER_TIME) break;
      connection.destroy();
    }
    // What hosts have sent until `now`, the ends of their connections too, is read before this runs.
    setImmediate(() => this.#look(now));
    if (this.#idle.length > 0 || this.#leaving.size > 0) return;
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
  }

  #look(now: number): void {
    for (const { connection, time } of this.#idle.slice()) {
      if (this.#trust.look(time, now)) connection.destroy();
    }
  }
}

/** Keep-alive connections to every host. */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #hosts = new Map<Host, HostConnections>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** A connection to the host that carries nothing else. It comes back by itself, and is ended with `destroy`. */
  acquire(host: Host): Connection {
    let connections = this.#hosts.get(host);
    if (!connections) this.#hosts.set(host, connections = new HostConnections(host, this.#options));
    return connections.acquire();
  }

  /** Counts what they have carried so far. */
  count(): void {
    for (const connections of this.#hosts.values()) connections.count();
  }

  /** Ends the connections to a host. */
  abandon(host: Host): void {
    this.#hosts.get(host)?.destroy();
    this.#hosts.delete(host);
  }

  /** Ends every connection. */
  destroy(): void {
    for (const connections of this.#hosts.values()) connections.destroy();
    this.#hosts.clear();
  }
}
