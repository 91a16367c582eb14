import type { Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { AdminOptions } from '../admin/options';
import type { Balance } from '../hosts/balance';
import type { HostOptions } from '../hosts/host-options';
import type { HostTls } from '../hosts/host-tls';
import type { RedisClient } from '../sessions/redis-store';
import type { SessionStore } from '../sessions/session-store';

/**
 * Options of {@link Proxy}: those of {@link PartialProxyOptions}, with either `redisClient` or `store`, and either
 * `hosts` or `discover`.
 */
export type ProxyOptions = PartialProxyOptions & (WithRedisClient | WithStore) & (WithHosts | WithDiscover);

/** The bindings are in Redis. */
export interface WithRedisClient {
  /** Holds the bindings. */
  redisClient: RedisClient;
  /** Not beside a Redis client. */
  store?: undefined;
}

/** The bindings are in a store of the caller's. */
export interface WithStore {
  /** Holds the bindings. */
  store: SessionStore;
  /** Not beside a store. */
  redisClient?: undefined;
}

/** The hosts are named. */
export interface WithHosts {
  /** The Socket.IO servers. */
  hosts: readonly (string | HostOptions)[];
  /** Not beside hosts. */
  discover?: undefined;
}

/** The hosts follow DNS. */
export interface WithDiscover {
  /** The name in DNS. */
  discover: string;
  /** Not beside a name in DNS. */
  hosts?: readonly never[] | undefined;
}

/**
 * All options, none of them mandatory: what options may be while they are put together. Times are in ms, but
 * `keyExpiry`, which is in seconds. Numbers are integers, up to 2147483647 where no other most is named. Only
 * `undefined` means unset.
 */
export interface PartialProxyOptions {
  /**
   * The Redis client that holds the bindings: of the package `redis` (version 2 or later; single, Cluster or Sentinel)
   * or `ioredis` (version 5 or later; `Redis` or `Cluster`). One that is not open yet is opened when the proxy starts
   * to listen, and closed by `close()`; one that is open, or opens itself, stays the caller's. Its `error` events are
   * listened to from now on, and become `degraded`. Mandatory, unless `store` is given.
   */
  redisClient?: RedisClient | undefined;
  /** A store of bindings other than Redis, such as `new MemoryStore()`. Excludes `redisClient`. */
  store?: SessionStore | undefined;
  /**
   * The Socket.IO servers: `host:port`, `[IPv6]:port`, `http://host[:port]` or `https://host[:port]`, or objects with
   * such a `host` and its `weight`. Mandatory, unless `discover` is given.
   */
  hosts?: readonly (string | HostOptions)[] | undefined;
  /**
   * A name in DNS that the hosts follow: `dns:NAME:PORT`, where each address of the name is a host, or `dns+srv:NAME`,
   * where SRV records name the hosts. Excludes `hosts`. @default undefined
   */
  discover?: string | undefined;
  /**
   * The path to capture; with or without the slash at its end. It begins with a slash, and is as it stands in a URL:
   * visible ASCII, with no `?`, `#` or `%`, nor `.` or `..` between slashes. @default '/socket.io/'
   */
  path?: string | undefined;
  /** Pause between two health checks of a host. In ms, from 1. @default 2000 */
  checkInterval?: number | undefined;
  /** How long a health check may take before it has failed. In ms, from 1. @default 1000 */
  checkTimeout?: number | undefined;
  /**
   * How many health checks in a row must fail before a host is down. A client's connection that does not come about
   * counts too, and one that is refused is enough. From 1 to 1000.
   * @default 1
   */
  unhealthyAfter?: number | undefined;
  /** How many health checks in a row must succeed before a host that was down is up. From 1 to 1000. @default 1 */
  healthyAfter?: number | undefined;
  /**
   * How the host of a new session is chosen, in proportion to the weights of the hosts that are up. `'random'`;
   * `'round-robin'`: in turn; `'least-connections'`: the one with the fewest sessions and WebSockets, as far as this
   * proxy knows them; or a function that is given the hosts and the handshake, and returns the name of one of them.
   * @default 'random'
   */
  balance?: Balance | undefined;
  /**
   * For how long the weight of a host that has come up grows, from a tenth to the whole: not of those that the first
   * health checks find up. In ms, from 0.
   * @default 0
   */
  slowStart?: number | undefined;
  /** The prefix of the keys in Redis: a binding's key is `<keyPrefix><sid>`. @default 'socket.io#' */
  keyPrefix?: string | undefined;
  /**
   * How long a binding lives in the store after its last use, in seconds. From 1. A session whose handshake says that
   * it lives longer (`pingInterval` + `pingTimeout`) is kept for longer. @default 60
   */
  keyExpiry?: number | undefined;
  /**
   * The most bindings that this proxy remembers itself; the one that was used longest ago goes first. From 1 to
   * 10000000. @default 100000
   */
  cacheSize?: number | undefined;
  /** How long the session store may take to answer. In ms, from 1. @default 1000 */
  storeTimeout?: number | undefined;
  /**
   * What becomes of new sessions that need the store while it fails. `'local'`: they are bound in this proxy alone,
   * and stored once the store is back; enough with one proxy, or where a client's requests keep to one. `'refuse'`:
   * a handshake by polling is answered with 503, so that no session is opened that another proxy could not route.
   * @default 'local'
   */
  onStoreFailure?: 'local' | 'refuse' | undefined;
  /**
   * How long a connection to a host may take to be made. In ms, from 1. The default leaves room for one lost packet,
   * which is sent again after a second. A handshake then goes to another host; a session's request tries its own again,
   * for up to 20 s.
   * @default 2000
   */
  connectTimeout?: number | undefined;
  /**
   * How long a host may be silent on a request before it is answered with 504. Longer than the servers'
   * `pingInterval`, since a poll may be held for as long. In ms, from 1. @default 120000
   */
  hostTimeout?: number | undefined;
  /**
   * For how long every host is known to keep an idle connection. One is then reused while it was idle for less than
   * half of that, and for a second less, from the first request on. With up to 1000 each request has a new connection.
   * Without it, connections are reused once those to the host were seen to stay open. In ms, from 0.
   * @default undefined
   */
  hostKeepAlive?: number | undefined;
  /** How long `close()` waits for requests and WebSockets to end by themselves. In ms, from 0. @default 10000 */
  drainTimeout?: number | undefined;
  /** Adds `X-Forwarded-For`, `-Proto`, `-Host` and `-Port` to what a host receives. @default true */
  xfwd?: boolean | undefined;
  /**
   * Believes what comes in `X-Forwarded-*`, `Forwarded` and `X-Real-IP`: for a proxy that can only be reached through
   * a load balancer which sets them. The chain in `X-Forwarded-For` is then kept and the load balancer's address added
   * to it, and what else has come is left as it is. Otherwise none of these headers of a client reaches a host, also
   * with `xfwd: false`.
   * @default false
   */
  trustProxy?: boolean | undefined;
  /** Sends a host its own name in `Host`, rather than the client's. @default true */
  changeOrigin?: boolean | undefined;
  /**
   * TLS options for `https://` hosts: `ca`, `cert`, `key`, `passphrase`, `ciphers`, `minVersion`,
   * `rejectUnauthorized`, and no others. @default {}
   */
  hostTls?: HostTls | undefined;
  /**
   * An `http` or `https` server of the caller's: its requests on other paths stay the caller's. Without it the proxy
   * makes one. Excludes `maxHeaderSize`, `headersTimeout`, `requestTimeout` and `keepAliveTimeout`. @default undefined
   */
  server?: HttpServer | HttpsServer | undefined;
  /** The largest request head, in bytes, of the proxy's own server (431 beyond). From 1024. @default 16384 */
  maxHeaderSize?: number | undefined;
  /**
   * How long a client of the proxy's own server may take to send a request's head (408 beyond). In ms, from 1.
   * @default 20000
   */
  headersTimeout?: number | undefined;
  /**
   * How long a client of the proxy's own server may take to send a whole request (408 beyond). In ms, not less than
   * `headersTimeout`, also where it is left out. @default 120000
   */
  requestTimeout?: number | undefined;
  /**
   * How long the proxy's own server keeps an idle connection. Longer than the load balancer's in front of it, which
   * is often 60 s, so that it is never the proxy that closes a connection under a request. In ms, from 1.
   * @default 75000
   */
  keepAliveTimeout?: number | undefined;
  /**
   * How many handshakes are let through to the hosts a second, about evenly: any number above 0, up to 100000. Others
   * wait in turn. @default undefined
   */
  maxHandshakesPerSecond?: number | undefined;
  /** How many handshakes may wait for their turn; others are refused with 503. From 0 to 1000000. @default 1000 */
  maxQueuedHandshakes?: number | undefined;
  /** How long a handshake may wait; one that would wait for longer is refused at once. In ms, from 1. @default 5000 */
  handshakeQueueTimeout?: number | undefined;
  /**
   * Moves sessions from the fullest hosts to the others at that rate, as `rebalance()` does, whenever a host has come
   * up or gets new sessions again. @default undefined
   */
  rebalance?: {
    /** How many sessions are moved a minute. From 0.01 to 600000. */
    perMinute: number;
  } | undefined;
  /**
   * An admin server: metrics, a JSON API and a dashboard, from `listen()` to the end of `close()`. It listens on
   * 127.0.0.1 unless `bind` says otherwise. When it cannot listen, the event `error` tells. @default undefined
   */
  admin?: AdminOptions | undefined;
}
