import type { AddressInfo } from 'node:net';
import type { EventEmitter } from 'node:events';
import type { HostStatus } from '../../hosts/host';
import { describe } from '../../base/describe';
import { watchChanges } from '../../operating/changes';
import type { Change } from '../../operating/operator';
import type { ProxyEvents } from '../../operating/proxy-events';
import type { Instance } from '../instance';
import { storeName } from '../own-store';
import type { Log } from './log';
import { storeFailure } from './store-failure';
import type { Settings } from '../settings/settings';

/** The changes that somebody may have to act on. */
const WARNINGS: ReadonlySet<Change['type']> = new Set(['down', 'suspicious', 'undiscovered', 'duplicate', 'disagree']);

/** Logs when the proxy is ready, and each change of a host or the store. */
export function logEvents(
  instance: Instance, settings: Pick<Settings, 'redis' | 'sidSecrets' | 'tls'>, log: Log,
): void {
  const { proxy } = instance;
  const { redis, tls } = settings;
  const store = storeName(settings);
  let degraded = false;
  if (store === 'memory') {
    log.info('store', 'no --redis: bindings are kept in memory, and sessions end with this process',
      { store: 'memory' });
  }
  onReady(instance, () => {
    const address = instance.server.address();
    // The server may have been closed meanwhile.
    if (address === null || typeof address === 'string') return;
    logReady({ hosts: proxy.hosts, address, isTls: tls !== undefined, store, degraded }, log);
  });
  logChanges(proxy, log);
  proxy.on('degraded', (error) => {
    degraded = true;
    logDegraded(storeFailure(error, redis), log);
  });
  proxy.on('recovered', () => {
    degraded = false;
    logRecovered(log);
  });
}

/** Logs all changes but those that say more in the log: of the store, and the end. */
export function logChanges(events: EventEmitter<ProxyEvents>, log: Log): void {
  watchChanges(events, (type, message, fields) => {
    if (type === 'degraded' || type === 'recovered' || type === 'closing') return;
    log[WARNINGS.has(type) ? 'warn' : 'info'](type, message, fields);
  });
}

export function logDegraded(error: string, log: Log): void {
  log.warn('degraded', `the store fails: ${error}`, { error });
}

export function logRecovered(log: Log): void {
  log.info('recovered', 'the store works again');
}

/** Calls `ready` once, when the first health check of every host has finished. */
function onReady({ proxy }: Instance, ready: () => void): void {
  const look = (): void => {
    if (proxy.hosts.some(({ state }) => state === 'checking')) return;
    proxy.off('up', look).off('down', look).off('discoveryError', look);
    // After the host's own log line.
    queueMicrotask(ready);
  };
  // If DNS fails, there is no host to wait for.
  proxy.on('up', look).on('down', look).on('discoveryError', look);
}

/** What the log says of a proxy that has begun to serve. */
export interface Ready {
  readonly hosts: readonly HostStatus[];
  readonly address: AddressInfo;
  readonly isTls: boolean;
  /** See `storeName`. */
  readonly store: string;
  /** The store has failed already. */
  readonly degraded: boolean;
}

export function logReady({ hosts: all, address, isTls, store, degraded }: Ready, log: Log): void {
  const url = urlOf(address, isTls);
  const up = all.filter(({ state }) => state === 'up').length;
  const hosts = all.length;
  const bindings = `bindings in ${store === 'sid' ? 'the sids' : store}${degraded ? ', which fails' : ''}`;
  const message = `listening on ${url}: ${up} of ${hosts} hosts up, ${bindings}`;
  log.info('listening', message, { url, up, hosts, store });
}

function urlOf({ address, port }: AddressInfo, tls: boolean): string {
  return `http${tls ? 's' : ''}://${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** Logs when the admin server listens. */
export function logAdmin(proxy: EventEmitter<ProxyEvents>, log: Log): void {
  proxy.on('adminListening', (address) => {
    const url = urlOf(address, false);
    log.info('admin', `the admin server is ${url}`, { url });
  });
}

/** Logs that a signal ends the command, and how long that may take. */
export function logClosing(
  signal: NodeJS.Signals, { shutdownDelay, drainTimeout }: { shutdownDelay: number; drainTimeout: number }, log: Log,
): void {
  if (shutdownDelay === 0) {
    log.info('closing', `${signal}: draining for up to ${drainTimeout} ms`, { signal, drainTimeout });
  } else {
    const times = `taking new sessions for ${shutdownDelay} ms, then draining for up to ${drainTimeout} ms`;
    log.info('closing', `${signal}: ${times}`, { signal, shutdownDelay, drainTimeout });
  }
}

/** The message when the admin server cannot listen. */
export function adminError(error: Error, admin: { port: number; bind: string } | undefined): string {
  return `the admin server cannot listen on port ${admin?.port} of ${admin?.bind}: ${describe(error)}`;
}

/** The message when the proxy cannot listen. */
export function listeningError(error: Error, { bind, port }: { bind: string | undefined; port: number }): string {
  const place = `port ${port}${bind === undefined ? '' : ` of ${bind}`}`;
  const code = 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') return `${place} is taken: another process listens there (EADDRINUSE)`;
  return `cannot listen on ${place}: ${describe(error)}`;
}
