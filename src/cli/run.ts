import { subscribe } from 'node:diagnostics_channel';
import { listeningError, logEvents } from './events';
import { HostChanges } from './host-changes';
import { Instance } from './instance';
import { describe, type Log } from './log';
import type { Settings } from './settings';
import { onSignals } from './signals';
import { SettingsError } from './sources';
import type { StatusLine } from './status-line';
import { TlsFiles } from './tls';

/** What the command is given. */
export interface Context {
  readonly log: Log;
  /** Where there is a terminal to show it. */
  readonly status: StatusLine | undefined;
  /** Writes why the command ends. */
  readonly fail: (message: string) => void;
  /** Reads the settings once more. @throws SettingsError */
  readonly reread: () => Settings;
}

/** Runs one proxy until a signal ends it, and resolves with the exit code. */
export async function run(settings: Settings, { log, status, fail, reread }: Context): Promise<number> {
  const instance = await Instance.create(settings);
  const { proxy } = instance;
  const reload = new Reload(instance, settings, log);
  return new Promise((resolve) => {
    let listening = false;
    proxy.on('error', (error) => {
      // Once it listens, it may go on, as when descriptors have run out.
      if (listening) log.error('error', `the server has failed: ${describe(error)}`, { error: describe(error) });
      else {
        fail(listeningError(error, settings));
        void instance.close().then(() => resolve(1));
      }
    });
    logEvents(instance, settings, log);
    onSignals({
      reload: () => reload.apply(reread),
      drain: (signal) => {
        const { drainTimeout } = settings.resolved;
        log.info('closing', `${signal}: draining for up to ${drainTimeout} ms`, { signal, drainTimeout });
        reload.stop();
        void instance.close().then(() => {
          status?.stop();
          log.info('closed', 'closed');
          resolve(0);
        });
      },
    });
    proxy.listen({ port: settings.port, ...(settings.bind === undefined ? {} : { host: settings.bind }) }, () => {
      listening = true;
      if (status) showStatus(instance, status);
    });
  });
}

/** Hosts up, sessions, and how many requests have come since it was last written, a second. */
function showStatus({ proxy, server }: Instance, status: StatusLine): void {
  let requests = 0;
  let since = performance.now();
  // A listener of the server's own would take the requests that nobody else takes.
  subscribe('http.server.request.start', (message) => {
    if (Reflect.get(Object(message), 'server') === server) requests += 1;
  });
  // Also where a second signal ends it.
  process.once('exit', () => status.stop());
  status.start(() => {
    const { hosts } = proxy;
    const up = hosts.filter(({ state }) => state === 'up').length;
    const sessions = hosts.reduce((sum, host) => sum + host.sessions, 0);
    const now = performance.now();
    const rate = Math.round(requests * 1000 / Math.max(1, now - since));
    [requests, since] = [0, now];
    return `${up}/${hosts.length} hosts up · ${sessions} sessions · ${rate} requests/s`;
  });
}

/** Flags whose change needs no restart. */
const RELOADED = new Set(['hosts', 'config', 'tls-cert', 'tls-key']);

/** What SIGHUP does: hosts and certificates change, and what else has changed is named. */
class Reload {
  readonly #instance: Instance;
  readonly #log: Log;
  readonly #hosts: HostChanges;
  readonly #tls: TlsFiles | undefined;
  #settings: Settings;

  constructor(instance: Instance, settings: Settings, log: Log) {
    this.#instance = instance;
    this.#settings = settings;
    this.#log = log;
    this.#hosts = new HostChanges(instance.proxy, settings.redis !== undefined, log);
    this.#tls = settings.tls && new TlsFiles(settings.tls, log, (pair) => this.#instance.setTls(pair));
  }

  apply(reread: () => Settings): void {
    const before = this.#settings;
    try {
      const after = this.#settings = reread();
      const { added, draining } = this.#hosts.apply(before.options.hosts ?? [], after.options.hosts ?? []);
      const changes = [...added.map((host) => `+${host}`), ...draining.map((host) => `-${host}`)].join(' ');
      this.#log.info('reloaded', `settings are read again${changes && `: ${changes}`}`, { added, draining });
      if (after.tls) this.#tls?.set(after.tls);
      this.#tellOfRestart(before, after);
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      this.#log.warn('reload-failed', `settings stay as they were: ${error.message}`, { error: error.message });
    }
  }

  stop(): void {
    this.#hosts.stop();
    this.#tls?.stop();
  }

  /** Names in one line what has changed, and what only a restart applies. */
  #tellOfRestart(before: Settings, after: Settings): void {
    const flags = [...after.values.keys()].filter((name) => {
      const isLive = RELOADED.has(name) && !(name.startsWith('tls-') && !before.tls !== !after.tls);
      return !isLive && before.values.get(name) !== after.values.get(name);
    });
    if (flags.length === 0) return;
    const names = flags.map((name) => `--${name}`).join(', ');
    this.#log.warn('restart-needed', `changed, but only a restart applies it: ${names}`, { flags });
  }
}
