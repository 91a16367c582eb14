import cluster from 'node:cluster';
import { subscribe } from 'node:diagnostics_channel';
import { seldom } from '../../base/seldom';
import type { ProxyParts } from '../../proxy-internals';
import { failureKind } from '../../sessions/outage';
import { listeningError } from '../log/events';
import { Instance } from '../instance';
import { describe } from '../../base/describe';
import type { Log } from '../log/log';
import { storeFailure } from '../log/store-failure';
import {
  LOAD_INTERVAL, type HandshakeLoad, type HostList, type PlainSettings, type ToPrimary, type ToWorker,
} from './messages';
import type { Question } from './questions';
import { Retirement } from './retirement';
import type { Settings } from '../settings/settings';
import { ToldHosts } from './told-hosts';
import { answerTo } from './worker-answers';
import { shareOf } from './worker-settings';

/** One proxy in a process of its own, controlled by the primary. Prints nothing itself. */
class Worker {
  #instance: Instance | undefined;
  #hosts: ToldHosts | undefined;
  #retirement: Retirement | undefined;
  #onRetired = (): void => {};
  #drainTimeout = 0;
  #requests = 0;
  /** How many handshakes waited at the last report. */
  #waited = 0;
  #lastLoad = '';
  #closing = false;
  /** Cuts a retirement short: the worker must end, and no other worker goes on. */
  #stopRetiring = (): void => {};
  readonly #mustEnd = new Promise<void>((resolve) => {
    this.#stopRetiring = resolve;
  });
  /** Resolves when the proxy exists. Changes wait for it, or they would be lost. */
  #created: Promise<void> = Promise.resolve();
  /** Resolves when the server listens or cannot listen. Node fails if a server is closed in between. */
  #settled: Promise<unknown> = Promise.resolve();

  take(message: ToWorker): void {
    if (message.type === 'start') this.#created = this.#start(message.settings, message.hosts);
    else if (message.type === 'ask') void this.#answer(message.id, message.question);
    else if (message.type === 'retired') this.#onRetired();
    else if (message.type === 'close') this.close(message.replaced);
    else void this.#created.then(() => this.#change(message));
  }

  #change(message: Extract<ToWorker, { type: 'hosts' | 'elsewhere' | 'rate' | 'sought' | 'tls' | 'reopen' }>): void {
    if (message.type === 'hosts') this.#follow(message.hosts);
    else if (message.type === 'rate') this.#parts?.admission.setRate(message.rate);
    else if (message.type === 'elsewhere') this.#hosts?.countElsewhere(message.sessions);
    else if (message.type === 'sought') this.#hosts?.sought(message.host);
    else if (message.type === 'tls') this.#instance?.setTls(message.pair);
    else this.#instance?.reopenLog();
  }

  get #parts(): ProxyParts | undefined {
    return this.#instance?.proxy.parts;
  }

  /** Drains the worker and ends the process. */
  close(replaced: boolean): void {
    if (!replaced) this.#stopRetiring();
    if (this.#closing) return;
    this.#closing = true;
    void this.#end(replaced);
  }

  /**
   * 1. Waits until the server listens, or cannot listen, or the primary is gone.
   * 2. If others go on: hands the clients over to them, unless these come to an end meanwhile.
   * 3. Closes the proxy, which drains what is left, and the access log.
   * 4. Sends the final totals, and ends the process.
   */
  async #end(replaced: boolean): Promise<void> {
    await Promise.race([this.#settled, lost]);
    if (replaced) await Promise.race([this.#retire(), this.#mustEnd]);
    await this.#instance?.close();
    if (this.#parts) await told({ type: 'totals', totals: await this.#parts.own.totals() });
    process.exit(0);
  }

  async #answer(id: number, question: Question): Promise<void> {
    const answer = this.#parts && await answerTo(question, this.#parts.own).catch(() => undefined);
    tell({ type: 'answer', id, answer });
  }

  async #start(plain: PlainSettings, list: HostList): Promise<void> {
    const settings = shareOf(plain);
    const instance = this.#instance = await Instance.create(settings, log, {
      healthSource: (hosts) => this.#hosts = new ToldHosts(hosts, list, {
        unreached: (host, reason, text) => {
          tell({ type: 'unreached', host, reason, ...(text === undefined ? {} : { text }) });
        },
        seek: (host) => tell({ type: 'seek', host }),
      }),
    });
    instance.proxy.parts.own.keepSample();
    if (this.#closing) return;
    this.#drainTimeout = settings.resolved.drainTimeout;
    this.#retirement = new Retirement(instance.server);
    // The first call starts the measurement of the event-loop lag.
    if (plain.options.admin) void this.#parts?.own.processMetrics();
    this.#tellOf(instance, settings);
    subscribe('http.server.request.start', (message) => {
      if (Reflect.get(Object(message), 'server') === instance.server) this.#requests += 1;
    });
    setInterval(() => this.#tellLoad(), LOAD_INTERVAL).unref();
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
        this.close(false);
      }
    });
    proxy.on('degraded', (error) => {
      tell({ type: 'store', failure: { error: storeFailure(error, settings.redis), kind: failureKind(error) } });
    });
    proxy.on('suspicious', (host, text) => {
      if (host === undefined) log.warn('suspicious', text, { host, text });
    });
    proxy.on('recovered', () => tell({ type: 'store', failure: undefined }));
    proxy.on('duplicate', seldom((sid, host, otherHost) => tell({ type: 'duplicate', sid, host, otherHost })));
  }

  #follow(list: HostList): void {
    this.#hosts?.apply(list);
    // The load after applying the list tells the primary whether a draining host is drained.
    this.#tellLoad();
  }

  #tellLoad(): void {
    const { load: hosts = [], version = 0 } = this.#hosts ?? {};
    const load = JSON.stringify([version, hosts]);
    const isNews = load !== this.#lastLoad || this.#requests > 0 || hosts.some(({ answered }) => answered);
    if (!isNews) return;
    const handshakes = this.#handshakes();
    const sample = this.#parts?.own.sample ?? { level: 0, hosts: new Map() };
    tell({ type: 'load', hosts, version, requests: this.#requests, sample, handshakes });
    [this.#lastLoad, this.#requests] = [load, 0];
  }

  #handshakes(): HandshakeLoad {
    const { admission } = this.#parts ?? {};
    const came = (admission?.takeDemand() ?? 0) - this.#waited;
    this.#waited = admission?.queued ?? 0;
    return { came, queued: this.#waited };
  }

  /** Hands the clients over to other workers, one by one, without a failed request. */
  async #retire(): Promise<void> {
    this.#retirement?.begin();
    // Stays alive until `retired`, to return connections that were on their way here.
    const retired = new Promise<void>((resolve) => {
      this.#onRetired = resolve;
    });
    tell({ type: 'retiring' });
    const stopping = new AbortController();
    void this.#parts?.underWay.disperse(this.#drainTimeout, stopping.signal);
    await Promise.all([retired, this.#retirement?.end(this.#drainTimeout)]);
    stopping.abort();
  }
}

/** Warnings go to the primary, which writes the log. */
const log: Pick<Log, 'warn'> = {
  warn: (event, message, fields) => tell({ type: 'warn', event, message, fields }),
};

function tell(message: ToPrimary): void {
  void told(message);
}

/** Resolves when the message was sent, or at once if the primary is gone. */
function told(message: ToPrimary): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
    else resolve();
  });
}

process.title = 'socket.io-proxy2 worker';
// A terminal or service manager may signal every process, but workers obey only the primary.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const) process.on(signal, () => {});
// The primary reads stderr. Writing fails once it is gone.
process.stderr.on('error', () => {});
/** Resolves when the primary is gone. */
const lost = new Promise((resolve) => process.once('disconnect', resolve));
const worker = new Worker();
process.on('message', (message: ToWorker) => worker.take(message));
// Node's own messages fail if the primary has just gone.
cluster.worker?.on('error', () => {});
cluster.worker?.once('disconnect', () => {
  // Otherwise Node exits the worker as soon as its primary is gone.
  if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
  worker.close(false);
});
tell({ type: 'here' });
