import type { AddressInfo } from 'node:net';
import { ownProcessMetrics } from '../../operating/process-metrics';
import { Outage } from '../../sessions/outage';
import { toError } from '../../base/checks';
import { AllWorkers } from './all-workers';
import { adminError, logAdmin, logClosing, logDegraded, logChanges, logReady, logRecovered } from '../log/events';
import { EndedWorkers } from './ended-workers';
import { openFleetStore, type OpenFleetStore } from './fleet-store';
import { HostTable } from './host-table';
import type { Member, Start } from './member';
import { LOAD_INTERVAL, type PlainSettings, type ToPrimary } from './messages';
import { Reload } from '../reload';
import type { Context } from '../run';
import { storeName } from '../own-store';
import type { Settings, TlsPair } from '../settings/settings';
import { onSignals } from '../signals';
import { showStatus, type Watched } from '../log/status';
import { Workers } from './workers';
import { WorkersRate } from './workers-rate';

/** Runs the workers until a signal ends them. Resolves with the exit code. */
export async function runWorkers(settings: Settings, context: Context): Promise<number> {
  return new Primary(settings, context, await openFleetStore(settings)).run();
}

/** Checks the hosts, manages the workers, and writes the log for all of them. */
class Primary {
  readonly #settings: Settings;
  readonly #context: Context;
  readonly #all: AllWorkers;
  readonly #fleet: OpenFleetStore | undefined;
  readonly #rate: WorkersRate;
  readonly #ended: EndedWorkers;
  readonly #table: HostTable;
  readonly #workers: Workers;
  readonly #reload: Reload;
  #tls: TlsPair | undefined;
  #lastVersion = 0;
  #degraded = false;
  readonly #outage = new Outage();
  #requests = 0;
  #closing = false;

  constructor(settings: Settings, context: Context, fleet: OpenFleetStore | undefined) {
    this.#settings = settings;
    this.#context = context;
    this.#tls = settings.tls;
    this.#ended = new EndedWorkers(settings.resolved.keyExpiry);
    this.#all = new AllWorkers(
      () => Array.from(this.#workers.members),
      this.#ended,
      () => this.#degraded,
      async () => [{ worker: 'primary', metrics: await ownProcessMetrics() }],
      (name) => this.#table.hosts.get(name) !== undefined,
    );
    this.#fleet = fleet;
    const { resolved, workers: count } = settings;
    this.#workers = new Workers({
      count,
      shutdownDelay: resolved.shutdownDelay,
      drainTimeout: resolved.drainTimeout,
      log: context.log,
      port: settings.port,
      start: (port) => this.#start(port),
      take: (message, member) => this.#take(message, member),
      gone: (member) => {
        this.#all.gone(member);
        this.#ended.add(member.load, (host) => this.#table.hosts.get(host)?.draining === true);
        this.#rate.gone(member);
        this.#count();
      },
    });
    this.#rate = new WorkersRate(resolved.maxHandshakesPerSecond, count);
    this.#table = new HostTable({ ...resolved, fleet: fleet?.store }, this.#all, this.#rate, this.#ended);
    this.#table.hosts.on('removed', ({ name }) => this.#all.removed(name));
    const setTls = (pair: TlsPair): void => this.#workers.tell({ type: 'tls', pair: this.#tls = pair });
    const { operations: operator, hosts } = this.#table;
    this.#reload = new Reload({ operator, hosts, setTls }, settings, context.log);
  }

  async run(): Promise<number> {
    const { log } = this.#context;
    const { events } = this.#table;
    logChanges(events, log);
    for (const event of ['up', 'down', 'added', 'removed', 'draining', 'undrained'] as const) {
      events.on(event, () => this.#tellHosts());
    }
    logAdmin(events, log);
    try {
      await this.#table.listenAdmin();
    } catch (error) {
      this.#context.fail(adminError(toError(error), this.#settings.resolved.admin));
      return 1;
    }
    const closed = this.#onSignals();
    await this.#table.start();
    // No event tells of a changed weight, of the address in use, of the end of the first discovery, and of levelling.
    setInterval(() => {
      this.#tellHosts();
      // Nothing tells that what an ended worker knew has expired.
      if (this.#ended.any) this.#count();
      for (const member of this.#workers.members) member.tellElsewhere(this.#table.elsewhere(member));
    }, LOAD_INTERVAL).unref();
    return Promise.race([closed, this.#serve(closed)]);
  }

  /** Resolves with the exit code. */
  async #serve(closed: Promise<number>): Promise<number> {
    const { log, fail, status } = this.#context;
    let address: AddressInfo;
    try {
      address = await this.#workers.start();
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error));
      await this.#close();
      return 1;
    }
    const store = storeName(this.#settings);
    const { hosts } = this.#table.operations;
    logReady({ hosts, address, isTls: this.#settings.tls !== undefined, store, degraded: this.#degraded }, log);
    if (status) showStatus(status, this.#watched);
    return closed;
  }

  /** Resolves with the exit code. */
  #onSignals(): Promise<number> {
    const { log, status, reread } = this.#context;
    return new Promise((resolve) => {
      onSignals({
        reload: () => {
          this.#reload.apply(reread);
          this.#workers.tell({ type: 'reopen' });
          this.#tellHosts();
        },
        restart: () => void this.#workers.roll(),
        drain: (signal) => {
          logClosing(signal, this.#settings.resolved, log);
          void this.#close().then(() => {
            status?.stop();
            log.info('closed', 'closed');
            resolve(0);
          });
        },
      });
    });
  }

  async #close(): Promise<void> {
    this.#closing = true;
    this.#table.operations.close();
    this.#reload.stop();
    await this.#workers.close();
    await this.#table.stop();
    await this.#fleet?.close();
  }

  #start(port: number): Start {
    // `resolved` contains instances of `Host`, which would lose their class.
    const settings: PlainSettings & { resolved?: unknown } = { ...this.#settings, port, tls: this.#tls };
    delete settings.resolved;
    return { type: 'start', settings, hosts: this.#table.takeList() };
  }

  #take(message: ToPrimary, member: Member): void {
    const { log } = this.#context;
    if (message.type === 'here') this.#rate.here(member);
    else if (message.type === 'unreached') this.#table.unreached(message.host, message.reason, message.text);
    else if (message.type === 'store') this.#tellStore();
    else if (message.type === 'duplicate') {
      this.#table.events.emit('duplicate', message.sid, message.host, message.otherHost);
    } else if (message.type === 'seek') void this.#seek(message.host, member);
    else if (message.type === 'totals') this.#all.counted(member, message.totals);
    else if (message.type === 'warn') log.warn(message.event, message.message, message.fields);
    else if (message.type === 'error') {
      log.error('error', `the server of a worker has failed: ${message.error}`, { error: message.error });
    } else if (message.type === 'load') {
      this.#requests += message.requests;
      this.#rate.came(message.handshakes.came);
      this.#table.answered(message.hosts);
      this.#count();
    }
  }

  #count(): void {
    const members = Array.from(this.#workers.members);
    this.#table.count(members, Math.min(...members.map(({ version }) => version)));
    this.#tellStore();
  }

  /** The store counts as failing while it fails in any worker. */
  #tellStore(): void {
    if (this.#closing) return;
    const failures = Array.from(this.#workers.members).flatMap(({ storeFailure }) => storeFailure ?? []);
    const wasDegraded = this.#degraded;
    this.#degraded = failures.length > 0;
    for (const { error, kind } of failures) {
      if (!this.#outage.isNews(kind)) continue;
      logDegraded(error, this.#context.log);
      this.#table.events.emit('degraded', new Error(error));
    }
    if (!wasDegraded || this.#degraded) return;
    this.#outage.end();
    logRecovered(this.#context.log);
    this.#table.events.emit('recovered');
  }

  #tellHosts(): void {
    const hosts = this.#table.takeList();
    if (hosts.version === this.#lastVersion) return;
    this.#lastVersion = hosts.version;
    this.#workers.tell({ type: 'hosts', hosts });
    // Without workers, no report would say that the hosts are empty.
    this.#count();
  }

  /** Searches for a host that a worker does not know, but a session is bound to. */
  async #seek(host: string, member: Member): Promise<void> {
    await this.#table.hosts.seek(host);
    this.#tellHosts();
    member.tell({ type: 'sought', host });
  }

  get #watched(): Watched {
    const requests = (): number => this.#requests;
    const { operations } = this.#table;
    return {
      get hosts() {
        return operations.hosts;
      },
      get requests() {
        return requests();
      },
    };
  }
}
