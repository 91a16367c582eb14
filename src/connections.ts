import { Connection, type ConnectionOptions, type ConnectionOwner } from './connection';
import type { Host } from './host';

/** The idle time that every host's connections are taken to survive, in ms. */
const INITIAL_SAFE_IDLE = 5;

/**
 * How much shorter than an idle time that was survived one must be to count as safe, in ms: the news that a host has
 * hung up takes as long to come as a request takes to get there.
 */
const SAFETY_MARGIN = 100;

/** How often idle connections are looked through: what have they survived, and which are too old, in ms. */
const SWEEP_INTERVAL = 200;

interface Idle {
  readonly connection: Connection;
  /** By `performance.now()`. */
  readonly since: number;
  readonly until: number;
}

/**
 * The connections to one host, idle ones in a stack: the one that was used last is taken first, so that as few as
 * possible are kept. No request looks through those that are busy, however many polls are held.
 *
 * A host may close an idle connection in the very moment in which a request is sent on it, and that request may not
 * be sent again. So a connection is taken again only when it was idle for less than the host says that it keeps it,
 * and for less than some other connection to this host was idle and still open: what that one survived, this one
 * will. Until it is known what is safe, a new connection is opened.
 */
class HostConnections implements ConnectionOwner {
  readonly host: Host;
  tlsSession: Buffer | undefined;
  readonly #options: ConnectionOptions;
  readonly #idle: Idle[] = [];
  readonly #all = new Set<Connection>();
  /** An idle time that a connection to this host survives, in ms: as far as is known. */
  #safeIdle = INITIAL_SAFE_IDLE;
  #sweeping: NodeJS.Timeout | undefined;

  constructor(host: Host, options: ConnectionOptions) {
    this.host = host;
    this.#options = options;
  }

  acquire(): Connection {
    const now = performance.now();
    const last = this.#idle.at(-1);
    if (last && now < last.until && now - last.since <= this.#safeIdle) {
      this.#idle.pop();
      return last.connection;
    }
    const connection = new Connection(this, this.#options);
    this.#all.add(connection);
    return connection;
  }

  release(connection: Connection, idleTimeout: number): void {
    const since = performance.now();
    this.#idle.push({ connection, since, until: since + idleTimeout });
    this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_INTERVAL).unref();
  }

  forget(connection: Connection, byHost: boolean): void {
    if (!this.#all.delete(connection)) return;
    const at = this.#idle.findIndex((idle) => idle.connection === connection);
    const [idle] = at === -1 ? [] : this.#idle.splice(at, 1);
    // Half of what it did not survive. A host that was merely restarted earns its trust again.
    if (idle && byHost) this.#safeIdle = Math.min(this.#safeIdle, (performance.now() - idle.since) / 2);
  }

  count(): void {
    for (const connection of this.#all) connection.count();
  }

  destroy(): void {
    clearInterval(this.#sweeping);
    for (const connection of this.#all) connection.destroy();
  }

  #sweep(): void {
    const now = performance.now();
    for (const { connection, until } of this.#idle.slice()) {
      if (now >= until) connection.destroy();
    }
    // What hosts have sent until `now`, the ends of their connections too, is read before this runs. Without that, a
    // busy process would take for alive what is closed already.
    setImmediate(() => {
      const oldest = this.#idle[0];
      if (oldest) this.#safeIdle = Math.max(this.#safeIdle, now - oldest.since - SAFETY_MARGIN);
    });
    if (this.#idle.length > 0) return;
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
  }
}

/** Keep-alive connections to every host. */
export class Connections {
  readonly #options: ConnectionOptions;
  readonly #hosts = new Map<Host, HostConnections>();

  constructor(options: ConnectionOptions) {
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
