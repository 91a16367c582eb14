import type { Hosts } from '../hosts/hosts';
import type { Operator } from '../operating/operator';
import { HostChanges, type Changed } from './host-changes';
import type { Log } from './log/log';
import type { Settings, TlsPair } from './settings/settings';
import { SettingsError } from './settings/sources';
import { TlsFiles } from './tls';

/** What is changed while it runs. */
export interface Reloaded {
  readonly operator: Operator;
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
  /** What runs, but for what is changed while it does. */
  readonly #started: Settings;

  constructor({ operator, hosts, setTls }: Reloaded, settings: Settings, log: Log) {
    this.#started = settings;
    this.#log = log;
    this.#hosts = new HostChanges(operator, hosts, settings.resolved.keyExpiry, log);
    this.#tls = settings.tls && new TlsFiles(settings.tls, log, setTls);
  }

  apply(reread: () => Settings): void {
    try {
      const after = reread();
      const changed = this.#applyHosts(after);
      const { added, draining, weights } = changed;
      this.#log.info('reloaded', `settings are read again${shown(changed)}`, { added, draining, weights });
      if (after.tls) this.#tls?.set(after.tls);
      this.#tellOfRestart(after);
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      this.#log.warn('reload-failed', `settings stay as they were: ${error.message}`, { error: error.message });
    }
  }

  /** Those that DNS names come with a restart, till which the others stay, and the other way round. */
  #applyHosts({ resolved: { discover, hosts } }: Settings): Changed {
    if (discover || this.#started.resolved.discover) return { added: [], draining: [], weights: [] };
    return this.#hosts.apply(hosts);
  }

  stop(): void {
    this.#hosts.stop();
    this.#tls?.stop();
  }

  /** Names in one line what differs from what runs, and what only a restart applies. */
  #tellOfRestart(after: Settings): void {
    const before = this.#started;
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

function shown({ added, draining, weights }: Changed): string {
  const changes = [
    ...added.map((host) => `+${host}`), ...draining.map((host) => `-${host}`),
    ...weights.map(({ host, weight, before }) => `${host}=${weight} (was ${before})`),
  ];
  return changes.length > 0 ? `: ${changes.join(' ')}` : '';
}
