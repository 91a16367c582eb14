import type { Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { AdminOptions } from '../admin/options';
import type { Balance } from '../hosts/balance';
import type { HashKey } from '../hosts/hash';
import type { HostOptions } from '../hosts/host-options';
import type { HostTls } from '../hosts/host-tls';
import type { RedisClient } from '../sessions/redis-store';
import type { SessionStore } from '../sessions/session-store';

/**
 * Options of {@link Proxy}: those of {@link PartialProxyOptions}, with either `redisClient` or `store`, and either
 * `hosts` or `discover`.
 */
export type ProxyOptions = PartialProxyOptions & (WithRedisClient | WithStore) & (WithHosts | WithDiscover);

/** Bindings are stored in Redis. */
export interface WithRedisClient {
  /** The client of the Redis that stores the bindings. */
  redisClient: RedisClient;
  /** Excluded by `redisClient`. */
  store?: undefined;
}

/** Bindings are stored in the caller's store. */
export interface WithStore {
  /** Stores the bindings. */
  store: SessionStore;
  /** Excluded by `store`. */
  redisClient?: undefined;
}

/** The hosts are listed. */
export interface WithHosts {
  /** The Socket.IO servers. */
  hosts: readonly (string | HostOptions)[];
  /** Excluded by `hosts`. */
  discover?: undefined;
}

/** The hosts come from DNS. */
export interface WithDiscover {
  /** The DNS name that the hosts come from. */
  discover: string;
  /** Excluded by `discover`. */
  hosts?: readonly never[] | undefined;
}

/**
 * All options, each of them optional, for code that builds them step by step. Times are in ms, except `keyExpiry`,
 * which is in seconds. Numbers are integers up to 2147483647, unless the option states other bounds. Only `undefined`
 * means unset.
 */
export interface PartialProxyOptions {
  /**
   * A client of the Redis that stores the bindings: from the package `redis` (version 2 or later; single, Cluster or
   * Sentinel) or `ioredis` (version 5 or later; `Redis` or `Cluster`). If the client is not open yet, the proxy opens
   * it when it starts to listen, and `close()` closes it. A client that is open, or opens itself, stays the caller's to
   * close. The proxy handles its `error` events and emits them as `degraded`. If the server takes no writes any more,
   * as another one became the primary, the proxy makes the client connect anew. Mandatory, unless `store` is given.
   */
  redisClient?: RedisClient | undefined;
  /** A session store other than Redis, such as `new MemoryStore()`. Excludes `redisClient`. */
  store?: SessionStore | undefined;
  /**
   * The Socket.IO servers: `host:port`, `[IPv6]:port`, `http://host[:port]` or `https://host[:port]`, or objects with
   * such a `host` and a `weight`. Mandatory, unless `discover` is given.
   */
  hosts?: readonly (string | HostOptions)[] | undefined;
  /**
   * The DNS name that the hosts come from: `dns:NAME:PORT` makes each address of the name a host, `dns+srv:NAME` each
   * SRV record. Excludes `hosts`. @default undefined
   */
  discover?: string | undefined;
  /**
   * The path of the Socket.IO servers. It begins with a slash; the slash at its end is optional. Visible ASCII without
   * `?`, `#` and `%`, and without `.` and `..` as segments. @default '/socket.io/'
   */
  path?: string | undefined;
  /** The pause between two health checks of a host. In ms, from 1. @default 2000 */
  checkInterval?: number | undefined;
  /** A health check fails after this time. In ms, from 1. @default 1000 */
  checkTimeout?: number | undefined;
  /**
   * Where a health check asks a host, with a query if need be. By default a check asks at `path`: each check makes the
   * Socket.IO server report an error, so a host that has answered requests well during `checkInterval` is not asked. In
   * visible ASCII, from a slash. @default undefined
   */
  checkPath?: string | undefined;
  /**
   * The statuses by which a health check finds a host up, as in `'200-299'` or `'200,204'`, from 100 to 599. By default
   * these are all below 500; of those that no Socket.IO server gives, the proxy emits `suspicious`. @default undefined
   */
  checkStatus?: string | undefined;
  /**
   * A host is down after this many failed health checks in a row. A failure to connect for a client's request counts as
   * one. A refused connection marks the host down at once. From 1 to 1000.
   * @default 1
   */
  unhealthyAfter?: number | undefined;
  /** A host that is down is up again after this many good health checks in a row. From 1 to 1000. @default 1 */
  healthyAfter?: number | undefined;
  /**
   * How the proxy chooses the host of a new session among the hosts that are up, in proportion to their weights:
   * `'random'`; `'round-robin'`, each host in turn; `'least-connections'`, the host with the fewest sessions and
   * WebSockets that this proxy knows of; `'hash'`, the same host for the same value of `hashBy`; or a function that
   * receives the hosts and the handshake and returns the name of a host.
   * @default 'random'
   */
  balance?: Balance | undefined;
  /**
   * What `balance: 'hash'` goes by: `'query:NAME'`, `'header:NAME'` or `'cookie:NAME'`. A handshake without it goes to
   * a random host. A new host takes over its share of the values, and no other value changes its host. Mandatory with
   * `'hash'`. @default undefined
   */
  hashBy?: HashKey | undefined;
  /**
   * After a host comes up, its weight grows from a tenth to its full value over this time. Hosts that the first health
   * checks find up start with their full weight. In ms, from 0.
   * @default 0
   */
  slowStart?: number | undefined;
  /**
   * A host with this many sessions gets no new one. When all hosts have so many, handshakes are refused with 503. In a
   * fleet all members' sessions count, as they were a moment ago. From 1 to 10000000; unlimited if not set.
   * @default undefined
   */
  maxSessions?: number | undefined;
  /** The prefix of the keys in Redis: a binding's key is `<keyPrefix><sid>`. @default 'socket.io#' */
  keyPrefix?: string | undefined;
  /**
   * The store expires a binding this long after its last use; later, if the handshake announces a longer
   * `pingInterval` + `pingTimeout`. In seconds, from 1. @default 60
   */
  keyExpiry?: number | undefined;
  /**
   * The most bindings that this proxy caches in memory. When the cache is full, the least recently used one goes. From
   * 1 to 10000000. @default 100000
   */
  cacheSize?: number | undefined;
  /** A call of the session store fails after this time. In ms, from 1. @default 1000 */
  storeTimeout?: number | undefined;
  /**
   * What to do with new sessions while the store fails. `'local'`: this proxy alone keeps the binding, and stores it
   * once the store is back; enough for a single proxy, or if each client stays with one proxy. `'refuse'`: the proxy
   * answers a handshake by polling with 503, so that no session opens that other proxies cannot route.
   * @default 'local'
   */
  onStoreFailure?: 'local' | 'refuse' | undefined;
  /**
   * An attempt to connect to a host fails after this time. A handshake then goes to another host; a request of a
   * session tries its own host again, for up to 20 s. The default allows for one lost packet, which TCP sends again
   * after a second. In ms, from 1.
   * @default 2000
   */
  connectTimeout?: number | undefined;
  /**
   * If a host sends nothing for this long on a request, the proxy answers with 504. Must be longer than the servers'
   * `pingInterval`, since a server may hold a poll for that long. In ms, from 1. @default 120000
   */
  hostTimeout?: number | undefined;
  /**
   * How long every host keeps an idle connection open. From the first request on, the proxy reuses a connection that
   * was idle for less than half of this time, and for at least a second less than it. With 1000 or less, each request
   * gets a new connection. Without this option, the proxy reuses connections once it has seen that the host keeps idle
   * ones open. In ms, from 0.
   * @default undefined
   */
  hostKeepAlive?: number | undefined;
  /**
   * Where the proxy itself tells a load balancer whether it is ready: GET, HEAD and OPTIONS are answered with 200 while
   * it takes new sessions, and else with 503. In visible ASCII without `?`, `#` and `%`, from a slash, and not under
   * `path`.
   * @default undefined
   */
  healthPath?: string | undefined;
  /**
   * `close()` goes on for this time before the drain begins: the proxy is not ready, and each answer closes its
   * connection, but it still takes connections and new sessions. Must be longer than a load balancer in front takes to
   * send no more. Does not apply while the server is not listening. In ms, from 0. @default 0
   */
  shutdownDelay?: number | undefined;
  /**
   * `close()` ends WebSockets one after the other over this time, and cuts requests that have not ended after it. In
   * ms, from 0. @default 10000
   */
  drainTimeout?: number | undefined;
  /** Adds `X-Forwarded-For`, `-Proto`, `-Host` and `-Port` to requests to the hosts. @default true */
  xfwd?: boolean | undefined;
  /**
   * Trusts incoming `X-Forwarded-*`, `Forwarded` and `X-Real-IP` headers: true trusts everyone's, and is only for a
   * proxy that clients can reach through a load balancer alone, which sets these headers. A list trusts those on
   * connections from its networks: addresses, as in `::1`, networks, as in `10.0.0.0/8`, and `loopback`, `linklocal`
   * and `uniquelocal`, as in Express. Where it trusts them, the proxy appends the load balancer's address to
   * `X-Forwarded-For` and passes the other headers on unchanged. Otherwise it removes all of them, also with
   * `xfwd: false`.
   * @default false
   */
  trustProxy?: boolean | readonly string[] | undefined;
  /**
   * Reads a header of the PROXY protocol, version 1 or 2, first on each connection from where `trustProxy` trusts, and
   * takes the client that it names for the connection's other end. Such a connection without a header is cut; others
   * are read as HTTP. Needs `trustProxy`. Only for a server that the proxy creates itself. @default false
   */
  proxyProtocol?: boolean | undefined;
  /**
   * Gives each request an id: hosts get it as `X-Request-Id`, and the event `access` has it. An id that comes from
   * where `trustProxy` trusts is kept, if it has at most 128 letters, digits and `_.:+/=@-`; others are replaced.
   * @default false
   */
  requestId?: boolean | undefined;
  /** Sets the `Host` header to the host's own name. If false, it stays the client's. @default true */
  changeOrigin?: boolean | undefined;
  /**
   * TLS options for `https://` hosts: `ca`, `cert`, `key`, `passphrase`, `ciphers`, `minVersion` and
   * `rejectUnauthorized` and `servername` only. @default {}
   */
  hostTls?: HostTls | undefined;
  /**
   * The caller's own `http.Server` or `https.Server`. Its listeners still get the requests for other paths. Without
   * this option, the proxy creates an `http.Server`. Excludes `maxHeaderSize`, `headersTimeout`, `requestTimeout` and
   * `keepAliveTimeout`. @default undefined
   */
  server?: HttpServer | HttpsServer | undefined;
  /** The proxy's own server answers a larger request head with 431. In bytes, from 1024. @default 16384 */
  maxHeaderSize?: number | undefined;
  /**
   * The proxy's own server answers with 408 if a client takes longer to send a request's head. In ms, from 1.
   * @default 20000
   */
  headersTimeout?: number | undefined;
  /**
   * The proxy's own server answers with 408 if a client takes longer to send a whole request. In ms, not less than
   * `headersTimeout`; a longer `headersTimeout` raises the default. @default 120000
   */
  requestTimeout?: number | undefined;
  /**
   * The proxy's own server closes a client's connection that was idle for this time. Must be longer than the idle
   * timeout of a load balancer in front, often 60 s: else the proxy may close a connection just as a request arrives.
   * In ms, from 1. @default 75000
   */
  keepAliveTimeout?: number | undefined;
  /**
   * Whether the proxy's own server reads plain requests itself, which makes them a third cheaper. Node's `http` reads
   * all others, and all of them while another listener or a tracer wants to see requests. @default true
   */
  fastPath?: boolean | undefined;
  /**
   * The most handshakes that the proxy sends to the hosts per second, about evenly. Further ones wait in a queue. With
   * `fleet`, the most that all members send together: give each the same rate. Any number above 0, up to 100000.
   * @default undefined
   */
  maxHandshakesPerSecond?: number | undefined;
  /**
   * The most handshakes that a client's address may make per second: of IPv6, its network of 64 bits. A second's worth
   * may come at once. Further ones are refused with 429. Each process counts for itself. With `trustProxy`, the address
   * is the one that the first trusted load balancer has seen. Any number above 0, up to 100000; unlimited if not set.
   * @default undefined
   */
  maxHandshakesPerAddress?: number | undefined;
  /**
   * The most connections that an address may have open: of IPv6, its network of 64 bits. Further ones are cut at once.
   * Those from networks in `trustProxy` may be any number. Each process counts for itself. Only for a server that the
   * proxy creates itself. From 1 to 1000000; unlimited if not set. @default undefined
   */
  maxConnectionsPerAddress?: number | undefined;
  /**
   * The most handshakes that wait for `maxHandshakesPerSecond`. Further ones are refused with 503. From 0 to 1000000.
   * @default 1000
   */
  maxQueuedHandshakes?: number | undefined;
  /**
   * A handshake that would wait longer than this for `maxHandshakesPerSecond` is refused with 503 at once. In ms, from
   * 1. @default 5000
   */
  handshakeQueueTimeout?: number | undefined;
  /**
   * Makes the proxy a member of the fleet: of the proxies that share its Redis and `keyPrefix`. What an operator sets
   * at run time through one member then holds for all: drains, weights, and hosts that were added or removed. All go
   * by the sessions of all, and share `maxHandshakesPerSecond`. Needs `redisClient`. @default false
   */
  fleet?: boolean | undefined;
  /**
   * Calls `rebalance()` whenever a host comes up or stops draining: sessions move from the fullest hosts to the others.
   * @default undefined
   */
  rebalance?: {
    /** How many sessions to move per minute. From 0.01 to 600000. */
    perMinute: number;
  } | undefined;
  /**
   * Runs an admin server with metrics, a JSON API and a dashboard, from `listen()` to the end of `close()`. It listens
   * on 127.0.0.1 unless `bind` is set. If it cannot listen, the proxy emits `error`. @default undefined
   */
  admin?: AdminOptions | undefined;
}
