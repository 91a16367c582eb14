import { Connection, type ConnectionOptions, type ConnectionOwner } from './connection';
import type { Host } from '../hosts/host';
import { IdleReuse, type IdleTime } from './idle-reuse';

/** How often to check idle connections, in ms. */
const SWEEP_INTERVAL = 200;

/**
 * How long to leave the closing of an unwanted connection to the host, in ms. The side that closes first keeps the port
 * for a minute (TIME_WAIT), and a port per connection is scarce on this side only.
 */
const LINGER_TIME = 1000;

interface Idle {
  readonly connection: Connection;
  readonly time: IdleTime;
}

export interface ConnectionsOptions extends ConnectionOptions {
  /** How long hosts keep idle connections, in ms; `undefined` to find out by watching them. */
  readonly hostKeepAlive: number | undefined;
}

/**
 * The connections to one host. Idle ones form a stack: reusing the last used one first keeps their number low. Busy
 * ones, such as those with held polls, are never searched.
 */
class HostConnections implements ConnectionOwner {
  readonly host: Host;
  tlsSession: Buffer | undefined;
  readonly #options: ConnectionsOptions;
  #reuse: IdleReuse;
  /** The host's era that `#reuse` belongs to: after a refused connection, the host is another process. */
  #era: number;
  readonly #idle: Idle[] = [];
  /** Every connection, with the `#reuse` at the time it was opened. */
  readonly #all = new Map<Connection, IdleReuse>();
  /** Unwanted connections that wait for the host to close them, and since when. */
  readonly #leaving = new Map<Connection, number>();
  #sweeping: NodeJS.Timeout | undefined;

  constructor(host: Host, options: ConnectionsOptions) {
    this.host = host;
    this.#options = options;
    this.#era = host.era;
    this.#reuse = new IdleReuse(options.hostKeepAlive);
  }

  acquire(): Connection {
    if (this.host.era !== this.#era) this.#resetForNewEra();
    const now = performance.now();
    const last = this.#reuse.isAllowed ? this.#idle.at(-1) : undefined;
    if (last && now - last.time.since < last.time.reuse) {
      this.#idle.pop();
      const { connection } = last;
      connection.isReused = true;
      connection.takenAt = now;
      return connection;
    }
    const connection = new Connection(this, this.#options, this.#reuse.keeps(this.#idle.length), now);
    this.#all.set(connection, this.#reuse);
    return connection;
  }

  release(connection: Connection, mayKeep: boolean, told: number | undefined): void {
    const now = performance.now();
    const reuse = this.#all.get(connection);
    reuse?.answered(connection.takenAt);
    const time = mayKeep && connection.keepAlive && reuse === this.#reuse ? reuse.begin(now, told) : undefined;
    if (time && reuse?.keeps(this.#idle.length)) this.#idle.push({ connection, time });
    else this.#leaving.set(connection, now);
    this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_INTERVAL).unref();
  }

  forget(connection: Connection, byHost: boolean): void {
    const reuse = this.#all.get(connection);
    if (!reuse) return;
    this.#all.delete(connection);
    if (this.#leaving.delete(connection)) return;
    const at = this.#idle.findIndex((idle) => idle.connection === connection);
    const [idle] = at === -1 ? [] : this.#idle.splice(at, 1);
    if (!byHost) return;
    if (idle) reuse.closed(idle.time, performance.now());
    else reuse.forbid();
  }

  countBytes(): void {
    for (const connection of this.#all.keys()) connection.countBytes();
  }

  destroy(): void {
    clearInterval(this.#sweeping);
    for (const connection of this.#all.keys()) connection.destroy();
  }

  #resetForNewEra(): void {
    this.#era = this.host.era;
    this.#reuse = new IdleReuse(this.#options.hostKeepAlive);
    for (const { connection } of this.#idle.slice()) connection.destroy();
  }

  #sweep(): void {
    const now = performance.now();
    for (const [connection, since] of this.#leaving) {
      if (now - since < LINGER_TIME) break;
      connection.destroy();
    }
    // By then everything that hosts sent until `now` is read, closes of their connections included.
    setImmediate(() => this.#look(now));
    if (this.#idle.length > 0 || this.#leaving.size > 0) return;
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
  }

  #look(now: number): void {
    for (const { connection, time } of this.#idle.slice()) {
      if (this.#reuse.look(time, now)) connection.destroy();
    }
  }
}

/** The connections to all hosts. */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #hosts = new Map<Host, HostConnections>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** A connection to the host on which no request is in progress. It returns to the pool by itself after one. */
  acquire(host: Host): Connection {
    let connections = this.#hosts.get(host);
    if (!connections) this.#hosts.set(host, connections = new HostConnections(host, this.#options));
    return connections.acquire();
  }

  /** Adds the bytes carried since the last call to the hosts' totals. */
  countBytes(): void {
    for (const connections of this.#hosts.values()) connections.countBytes();
  }

  /** Closes the connections to a host. */
  abandon(host: Host): void {
    this.#hosts.get(host)?.destroy();
    this.#hosts.delete(host);
  }

  /** Closes all connections. */
  destroy(): void {
    for (const connections of this.#hosts.values()) connections.destroy();
    this.#hosts.clear();
  }
}
