import type { Server } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Hosts } from '../hosts/hosts';
import { SERVER_OPTIONS } from '../options/options';
import { Proxy } from '../proxy';
import type { ProxyInternals } from '../proxy-internals';
import { createServer } from '../serving/server';
import { MemoryStore } from '../sessions/session-store';
import { AccessLog } from './log/access-log';
import type { Log } from './log/log';
import type { Options, Settings, TlsPair } from './settings/settings';

/** One proxy as the command runs it: its store, and its server where that speaks TLS. */
export class Instance {
  readonly proxy: Proxy;
  /** Those of the proxy. */
  readonly hosts: Hosts;
  readonly #tlsServer: HttpsServer | undefined;
  readonly #accessLog: AccessLog | undefined;

  private constructor(
    proxy: Proxy, hosts: Hosts, tlsServer: HttpsServer | undefined, accessLog: AccessLog | undefined,
  ) {
    this.proxy = proxy;
    this.hosts = hosts;
    this.#tlsServer = tlsServer;
    this.#accessLog = accessLog;
    if (accessLog) proxy.on('access', accessLog.write);
  }

  /** Opens nothing but the access log. */
  static async create(
    settings: Settings, log: Pick<Log, 'warn'>, internals: ProxyInternals = {},
  ): Promise<Instance> {
    const { options, tls, redis: url, accessLog } = settings;
    // Loading it takes longer than all else, and a proxy on the memory store needs none.
    const redisClient = url === undefined ? undefined : (await import('redis')).createClient({ url });
    const store = redisClient ? { redisClient } : { store: new MemoryStore() };
    // With the limits that the library sets on a server that it makes itself.
    const tlsServer = tls && createServer(settings.resolved, tls);
    const own = tlsServer ? { ...withoutLimits(options), server: tlsServer } : options;
    let hosts: Hosts | undefined;
    const proxy = new Proxy({ ...own, ...store }, {
      ...internals,
      parts: (parts) => {
        hosts = parts.hosts;
        internals.parts?.(parts);
      },
    });
    if (!hosts) throw new Error('a proxy tells what it is made of when it is made');
    return new Instance(proxy, hosts, tlsServer, accessLog && new AccessLog(accessLog, log));
  }

  get server(): Server | HttpsServer {
    return this.proxy.server;
  }

  /** New connections are given this certificate; those that are open keep theirs. */
  setTls({ cert, key }: TlsPair): void {
    this.#tlsServer?.setSecureContext({ cert, key });
  }

  /** The file of the access log may have been moved away. */
  reopenLog(): void {
    this.#accessLog?.reopen();
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
    await this.#accessLog?.close();
  }
}

/** The library refuses them beside a server, which has its own. */
function withoutLimits(options: Options): Options {
  const limits: readonly string[] = SERVER_OPTIONS;
  return Object.fromEntries(Object.entries(options).filter(([name]) => !limits.includes(name)));
}
