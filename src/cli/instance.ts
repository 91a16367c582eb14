import type { Server, ServerOptions } from 'node:http';
import https, { type Server as HttpsServer } from 'node:https';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { discovering } from '../discovery';
import { HealthChecker, type HealthSource } from '../health-checker';
import type { Hosts } from '../hosts';
import type { ResolvedOptions } from '../options';
import { Proxy, type ProxyInternals } from '../proxy';
import type { RedisClient } from '../redis-store';
import { MemoryStore } from '../session-store';
import type { Settings, TlsPair } from './settings';

/** What the library refuses beside a server. */
const LIMITS = new Set(['maxHeaderSize', 'headersTimeout', 'requestTimeout', 'keepAliveTimeout']);

/** One proxy as the command runs it: its store, and its server where that speaks TLS. */
export class Instance {
  readonly proxy: Proxy;
  readonly #tlsServer: HttpsServer | undefined;

  private constructor(settings: Settings, redisClient: RedisClient | undefined, internals: ProxyInternals) {
    const { options, tls } = settings;
    const store = redisClient ? { redisClient } : { store: new MemoryStore() };
    if (!tls) {
      this.proxy = new Proxy({ ...options, ...store }, internals);
      return;
    }
    const server = this.#tlsServer = createTlsServer(settings, tls);
    const others = Object.fromEntries(Object.entries(options).filter(([name]) => !LIMITS.has(name)));
    this.proxy = new Proxy({ ...others, ...store, server }, internals);
  }

  /** Opens nothing. */
  static async create(settings: Settings, internals: ProxyInternals = {}): Promise<Instance> {
    // Loading it takes longer than all else, and a proxy on the memory store needs none.
    const { redis: url } = settings;
    const client = url === undefined ? undefined : (await import('redis')).createClient({ url });
    return new Instance(settings, client, internals);
  }

  get server(): Server | HttpsServer {
    return this.proxy.server;
  }

  /** New connections are given this certificate; those that are open keep theirs. */
  setTls({ cert, key }: TlsPair): void {
    this.#tlsServer?.setSecureContext({ cert, key });
  }

  /** Refuses new sessions at once, and resolves when all is closed: within `drainTimeout` and a moment. */
  async close(): Promise<void> {
    // The library leaves a server that it was given open.
    this.#tlsServer?.close();
    this.#tlsServer?.closeIdleConnections();
    await this.proxy.close();
    // The last answers have been written by then, but not all of them have left.
    await nextTurn();
    this.#tlsServer?.closeAllConnections();
  }
}

/** With the limits that the library sets on a server that it makes itself. */
function createTlsServer({ resolved }: Settings, { cert, key }: TlsPair): HttpsServer {
  const { maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout } = resolved;
  const connectionsCheckingInterval = Math.min(headersTimeout, 5000);
  const limits: ServerOptions = {
    maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout, connectionsCheckingInterval,
  };
  return https.createServer({ ...limits, cert, key });
}
