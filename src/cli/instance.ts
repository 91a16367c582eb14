import type { Server } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import { SERVER_OPTIONS } from '../options/options';
import { Proxy } from '../proxy';
import type { ProxyInternals } from '../proxy-internals';
import { createServer } from '../serving/server';
import { AccessLog } from './log/access-log';
import type { Log } from './log/log';
import { ownStore } from './own-store';
import { createRedisClient } from './redis-client';
import type { Options, Settings, TlsPair } from './settings/settings';

/** One proxy of the command, with its store, its TLS server and its access log. */
export class Instance {
  readonly proxy: Proxy;
  readonly #tlsServer: HttpsServer | undefined;
  readonly #accessLog: AccessLog | undefined;

  private constructor(proxy: Proxy, tlsServer: HttpsServer | undefined, accessLog: AccessLog | undefined) {
    this.proxy = proxy;
    this.#tlsServer = tlsServer;
    this.#accessLog = accessLog;
    if (accessLog) proxy.on('access', accessLog.write);
  }

  /** Creates the proxy without opening anything except the access log. */
  static async create(
    settings: Settings, log: Pick<Log, 'warn'>, internals: ProxyInternals = {},
  ): Promise<Instance> {
    const { options, tls, redis, fleet, accessLog } = settings;
    const store = redis ? { redisClient: await createRedisClient(redis), fleet } : { store: ownStore(settings) };
    // The library does not apply its limits to a server that it is given.
    const tlsServer = tls && createServer(settings.resolved, tls);
    const own = tlsServer ? { ...withoutLimits(options), server: tlsServer } : options;
    const proxy = new Proxy({ ...own, ...store }, { ...internals, ownsServer: true });
    return new Instance(proxy, tlsServer, accessLog && new AccessLog(accessLog, log));
  }

  get server(): Server | HttpsServer {
    return this.proxy.server;
  }

  /** Sets the certificate for new connections. */
  setTls({ cert, key }: TlsPair): void {
    this.#tlsServer?.setSecureContext({ cert, key });
  }

  /** Reopens the access log, whose file may have been rotated. */
  reopenLog(): void {
    this.#accessLog?.reopen();
  }

  /** Resolves when all is closed, a moment after `shutdownDelay` and `drainTimeout` at the latest. */
  async close(): Promise<void> {
    await this.proxy.close();
    await this.#accessLog?.close();
  }
}

/** The library rejects these options together with `server`. */
function withoutLimits(options: Options): Options {
  const limits: readonly string[] = SERVER_OPTIONS;
  return Object.fromEntries(Object.entries(options).filter(([name]) => !limits.includes(name)));
}
