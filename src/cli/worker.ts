import cluster from 'node:cluster';
import { subscribe } from 'node:diagnostics_channel';
import { Server as NetServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { resolveOptions } from '../options';
import { MemoryStore } from '../session-store';
import { listeningError } from './events';
import { Instance } from './instance';
import { describe, type Log } from './log';
import { LOAD_INTERVAL, type HostEntry, type PlainSettings, type ToPrimary, type ToWorker } from './messages';
import type { Settings } from './settings';
import { ToldHosts } from './told-hosts';

/** How long connections that were just made may still open sessions in a worker that is replaced, in ms. */
const LAST_HANDSHAKES = 500;

/** One proxy in a process of its own, which does what the primary tells it and writes nothing. */
class Worker {
  #instance: Instance | undefined;
  #hosts: ToldHosts | undefined;
  #requests = 0;
  #lastLoad = '';
  #closing = false;
  /** It comes to listen, or cannot: Node fails where a server is closed meanwhile. */
  #settled: Promise<unknown> = Promise.resolve();

  take(message: ToWorker): void {
    switch (message.type) {
      case 'start': return void this.#start(message.settings, message.hosts);
      case 'hosts': return this.#hosts?.apply(message.hosts);
      case 'tls': return this.#instance?.setTls(message.pair);
      case 'reopen': return this.#instance?.reopenLog();
      default: return void this.close(message.replaced);
    }
  }

  /** Ends when it is drained. */
  async close(replaced: boolean): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    await Promise.race([this.#settled, lost]);
    if (replaced) await this.#retire();
    await this.#instance?.close();
    process.exit(0);
  }

  async #start(plain: PlainSettings, entries: readonly HostEntry[]): Promise<void> {
    const settings = settingsOf(plain);
    const unreached = (host: string, reason: 'refused' | 'unreachable' | 'silent' | 'failing'): void =>
      tell({ type: 'unreached', host, reason });
    const instance = this.#instance = await Instance.create(settings, log, {
      healthSource: (hosts) => this.#hosts = new ToldHosts(hosts, entries, unreached),
    });
    if (this.#closing) return;
    this.#tellOf(instance, settings);
    this.#tellLoad(instance);
    this.#settled = new Promise<void>((resolve) => {
      instance.proxy.once('listening', resolve).once('error', () => resolve());
    });
    const { port, bind: host } = settings;
    instance.proxy.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      const address = instance.server.address();
      if (address !== null && typeof address !== 'string') tell({ type: 'listening', address });
    });
  }

  #tellOf({ proxy, server }: Instance, settings: Settings): void {
    proxy.on('error', (error) => {
      if (server.listening) tell({ type: 'error', error: describe(error) });
      else {
        tell({ type: 'failed', reason: listeningError(error, settings) });
        void this.close(false);
      }
    });
    proxy.on('degraded', (error) => tell({ type: 'store', error: describe(error) }));
    proxy.on('recovered', () => tell({ type: 'store', error: undefined }));
  }

  #tellLoad({ server }: Instance): void {
    subscribe('http.server.request.start', (message) => {
      if (Reflect.get(Object(message), 'server') === server) this.#requests += 1;
    });
    setInterval(() => {
      const hosts = this.#hosts?.load ?? [];
      const load = JSON.stringify(hosts);
      const isNews = load !== this.#lastLoad || this.#requests > 0 || hosts.some(({ answered }) => answered);
      if (!isNews) return;
      tell({ type: 'load', hosts, requests: this.#requests });
      [this.#lastLoad, this.#requests] = [load, 0];
    }, LOAD_INTERVAL).unref();
  }

  /** Takes no more connections, and serves those that it has once more, whatever they ask for. */
  async #retire(): Promise<void> {
    const server = this.#instance?.server;
    if (!server?.listening) return;
    subscribe('http.server.request.start', (message) => {
      const response: unknown = Reflect.get(Object(message), 'response');
      // Its client goes to another worker with the next request.
      if (typeof response === 'object' && response !== null) Reflect.set(response, 'shouldKeepAlive', false);
    });
    // Not by its own `close`, which ends idle connections too, on which a request may be under way.
    NetServer.prototype.close.call(server);
    await sleep(LAST_HANDSHAKES);
  }
}

/** The primary writes what it has to say. */
const log: Pick<Log, 'warn'> = {
  warn: (event, message, fields) => tell({ type: 'warn', event, message, fields }),
};

/** The primary applies thresholds, knows the hosts, and asks DNS. */
function settingsOf(plain: PlainSettings): Settings {
  const options = { ...plain.options, unhealthyAfter: 1, healthyAfter: 1 };
  return { ...plain, options, resolved: resolveOptions({ ...options, store: new MemoryStore() }) };
}

function tell(message: ToPrimary): void {
  // Where the primary is gone nobody need be told.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

process.title = 'socket.io-proxy2 worker';
// A terminal, and some that run services, send these to every process: the primary says what is to be done.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const) process.on(signal, () => {});
/** The primary is gone. */
const lost = new Promise((resolve) => process.once('disconnect', resolve));
const worker = new Worker();
process.on('message', (message: ToWorker) => worker.take(message));
cluster.worker?.once('disconnect', () => {
  // Otherwise Node ends a worker at once whose primary is gone.
  if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
  void worker.close(false);
});
tell({ type: 'here' });
