import { Client, type Dispatcher } from 'undici';
import type { Host } from './hosts';
import type { ResolvedOptions } from './options';

/** How long an idle connection is kept where the host does not say how long it keeps it, in ms. */
const KEEP_ALIVE = 4000;

/** How much sooner than the host says an idle connection is closed here, in ms: a request may be on its way. */
const KEEP_ALIVE_MARGIN = 1000;

/** The idle time that every host's connections are taken to survive, in ms. */
const INITIAL_SAFE_IDLE = 5;

/**
 * How much shorter than an idle time that was survived one must be to count as safe, in ms: the news that a host has
 * hung up takes as long to come as a request takes to get there.
 */
const SAFETY_MARGIN = 100;

export type ConnectionOptions = Pick<ResolvedOptions, 'connectTimeout' | 'hostTimeout' | 'hostTls' | 'maxHeaderSize'>;

/** A connection to a host: it carries one request at a time, and connects when it has to. */
export class Connection {
  readonly #client: Client;
  readonly #owner: HostConnections;
  idleSince = 0;

  constructor(client: Client, owner: HostConnections) {
    this.#client = client;
    this.#owner = owner;
    client.on('disconnect', (_origin, _targets, error) => owner.disconnected(this, error.code !== 'UND_ERR_INFO'));
  }

  /** Sends a request; `handler` hears what becomes of it. */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#client.dispatch(options, handler);
  }

  /** Gives it back after a request has ended well. */
  release(): void {
    this.#owner.release(this);
  }

  /** Ends it, and what it carries. */
  destroy(): void {
    this.#owner.forget(this);
    void this.#client.destroy();
  }
}

/**
 * The connections to one host, idle ones in a stack: the one that was used last is taken first, so that as few as
 * possible are kept. No request looks through those that are busy, however many polls are held.
 *
 * A host may close an idle connection in the very moment in which a request is sent on it, and that request may not
 * be sent again. So a connection is taken again only when it was idle for less than the host says that it keeps it
 * (undici minds the `Keep-Alive` header), and for less than some other connection to this host was idle and still
 * open: what that one survived, this one will. Until it is known what is safe, a new connection is opened.
 */
class HostConnections {
  readonly #host: Host;
  readonly #options: ConnectionOptions;
  readonly #idle: Connection[] = [];
  readonly #all = new Set<Connection>();
  /** An idle time that a connection to this host survives, in ms: as far as is known. */
  #safeIdle = INITIAL_SAFE_IDLE;

  constructor(host: Host, options: ConnectionOptions) {
    this.#host = host;
    this.#options = options;
  }

  acquire(): Connection {
    const now = performance.now();
    const oldest = this.#idle[0];
    if (oldest) this.#safeIdle = Math.max(this.#safeIdle, now - oldest.idleSince - SAFETY_MARGIN);
    const last = this.#idle.at(-1);
    if (last && now - last.idleSince <= this.#safeIdle) {
      this.#idle.pop();
      return last;
    }
    return this.#open();
  }

  release(connection: Connection): void {
    if (!this.#all.has(connection)) return;
    connection.idleSince = performance.now();
    this.#idle.push(connection);
  }

  /** A connection was closed: by the host, or here (at the end of its time, or after a response that ends it). */
  disconnected(connection: Connection, byHost: boolean): void {
    // One that carries a request is the request's to end, or undici's to connect again where nothing was sent on it.
    if (!this.#idle.includes(connection)) return;
    connection.destroy();
    // Half of what it did not survive. A host that was merely restarted earns its trust again.
    if (byHost) this.#safeIdle = Math.min(this.#safeIdle, (performance.now() - connection.idleSince) / 2);
  }

  forget(connection: Connection): void {
    this.#all.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
  }

  destroy(): void {
    for (const connection of this.#all) connection.destroy();
  }

  #open(): Connection {
    const { connectTimeout, hostTimeout, hostTls, maxHeaderSize } = this.#options;
    const connection = new Connection(new Client(this.#host.url.origin, {
      pipelining: 1,
      connect: { ...hostTls, timeout: connectTimeout },
      headersTimeout: hostTimeout,
      bodyTimeout: hostTimeout,
      maxHeaderSize,
      keepAliveTimeout: KEEP_ALIVE,
      keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN,
    }), this);
    this.#all.add(connection);
    return connection;
  }
}

/** Keep-alive connections to every host. */
export class Connections {
  readonly #options: ConnectionOptions;
  readonly #hosts = new Map<Host, HostConnections>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** A connection to the host that carries nothing else. Give it back with `release`, or end it with `destroy`. */
  acquire(host: Host): Connection {
    let connections = this.#hosts.get(host);
    if (!connections) this.#hosts.set(host, connections = new HostConnections(host, this.#options));
    return connections.acquire();
  }

  /** Ends every connection. */
  destroy(): void {
    for (const connections of this.#hosts.values()) connections.destroy();
    this.#hosts.clear();
  }
}
