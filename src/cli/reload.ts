import type { Host } from '../host';
import type { Hosts } from '../hosts';
import type { Proxy } from '../proxy';
import { HostChanges, type Changed } from './host-changes';
import type { Log } from './log';
import type { Settings, TlsPair } from './settings';
import { SettingsError } from './sources';
import { TlsFiles } from './tls';

/** What is changed while it runs. */
export interface Reloaded {
  readonly proxy: Proxy;
  /** Those of the proxy. */
  readonly hosts: Hosts;
  readonly setTls: (pair: TlsPair) => void;
}

/** Flags whose change needs no restart. */
const RELOADED = new Set(['hosts', 'config', 'tls-cert', 'tls-key']);

/** What SIGHUP does: hosts and certificates change, and what else has changed is named. */
export class Reload {
  readonly #log: Log;
  readonly #hosts: HostChanges;
  readonly #tls: TlsFiles | undefined;
  readonly #discover: unknown;
  #settings: Settings;
  /** As they were named when they were last applied. */
  #named: readonly Host[];

  constructor({ proxy, hosts, setTls }: Reloaded, settings: Settings, log: Log) {
    this.#settings = settings;
    this.#named = settings.resolved.hosts;
    this.#discover = settings.values.get('discover');
    this.#log = log;
    this.#hosts = new HostChanges(proxy, hosts, settings.resolved.keyExpiry, log);
    this.#tls = settings.tls && new TlsFiles(settings.tls, log, setTls);
  }

  apply(reread: () => Settings): void {
    const before = this.#settings;
    try {
      const after = this.#settings = reread();
      const { added, draining } = this.#applyHosts(after);
      const changes = [...added.map((host) => `+${host}`), ...draining.map((host) => `-${host}`)].join(' ');
      this.#log.info('reloaded', `settings are read again${changes && `: ${changes}`}`, { added, draining });
      if (after.tls) this.#tls?.set(after.tls);
      this.#tellOfRestart(before, after);
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      this.#log.warn('reload-failed', `settings stay as they were: ${error.message}`, { error: error.message });
    }
  }

  /** Those that DNS names come with a restart, till which the others stay, and the other way round. */
  #applyHosts(after: Settings): Changed {
    if (after.values.get('discover') !== this.#discover) return { added: [], draining: [] };
    const before = this.#named;
    return this.#hosts.apply(before, this.#named = after.resolved.hosts);
  }

  stop(): void {
    this.#hosts.stop();
    this.#tls?.stop();
  }

  /** Names in one line what has changed, and what only a restart applies. */
  #tellOfRestart(before: Settings, after: Settings): void {
    const flags = [...after.values.keys()].filter((name) => {
      if (before.values.get(name) === after.values.get(name)) return false;
      if (name === 'hosts') return before.values.get('discover') !== after.values.get('discover');
      return !RELOADED.has(name) || (name.startsWith('tls-') && !before.tls !== !after.tls);
    });
    if (flags.length === 0) return;
    const names = flags.map((name) => `--${name}`).join(', ');
    this.#log.warn('restart-needed', `changed, but only a restart applies it: ${names}`, { flags });
  }
}
