import { isDeepStrictEqual } from 'node:util';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import type { Operator } from '../operating/operator';
import { HostChanges, type Changed } from './host-changes';
import type { Log } from './log/log';
import type { Settings, TlsPair } from './settings/settings';
import { SettingsError } from './settings/sources';
import { TlsFiles } from './tls';

/** The targets of a reload. */
export interface Reloaded {
  readonly operator: Operator;
  readonly hosts: Hosts;
  readonly setTls: (pair: TlsPair) => void;
}

/** Flags that a reload applies. */
const RELOADED = new Set(['hosts', 'config', 'tls-cert', 'tls-key']);

/** Handles SIGHUP: applies changed hosts and certificates, and logs the changes that need a restart. */
export class Reload {
  readonly #log: Log;
  readonly #hosts: HostChanges;
  readonly #tls: TlsFiles | undefined;
  /** The settings at the start. */
  readonly #started: Settings;
  /** The hosts of the settings that were applied last. */
  #applied: readonly Host[];

  constructor({ operator, hosts, setTls }: Reloaded, settings: Settings, log: Log) {
    this.#started = settings;
    this.#applied = settings.resolved.hosts;
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
      this.#logRestartNeeded(after);
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      this.#log.warn('reload-failed', `settings stay as they were: ${error.message}`, { error: error.message });
    }
  }

  /** A change between `--hosts` and `--discover` needs a restart; until then the hosts stay. */
  #applyHosts({ resolved: { discover, hosts } }: Settings): Changed {
    if (discover || this.#started.resolved.discover) return { added: [], draining: [], weights: [] };
    const before = this.#started.fleet ? this.#applied : undefined;
    this.#applied = hosts;
    return this.#hosts.apply(hosts, before);
  }

  stop(): void {
    this.#hosts.stop();
    this.#tls?.stop();
  }

  /** Logs in one line the flags that differ from the start and need a restart. */
  #logRestartNeeded(after: Settings): void {
    const before = this.#started;
    const flags = [...after.flagValues.keys()].filter((name) => {
      if (isDeepStrictEqual(before.flagValues.get(name), after.flagValues.get(name))) return false;
      if (name === 'hosts') return before.flagValues.get('discover') !== after.flagValues.get('discover');
      return !RELOADED.has(name) || (name.startsWith('tls-') && !before.tls !== !after.tls);
    });
    if (flags.length === 0) return;
    const names = flags.map((name) => `--${name}`).join(', ');
    this.#log.warn('restart-needed', `a restart is needed to apply: ${names}`, { flags });
  }
}

function shown({ added, draining, weights }: Changed): string {
  const changes = [
    ...added.map((host) => `+${host}`), ...draining.map((host) => `-${host}`),
    ...weights.map(({ host, weight, before }) => `${host}=${weight} (was ${before})`),
  ];
  return changes.length > 0 ? `: ${changes.join(' ')}` : '';
}
