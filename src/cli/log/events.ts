import type { AddressInfo } from 'node:net';
import type { EventEmitter } from 'node:events';
import type { HostStatus } from '../../hosts/host';
import { duplicateText, suspicionText, type ProxyEvents } from '../../operating/proxy-events';
import { seldom } from '../../base/seldom';
import { shownSid, withText } from '../../base/shown';
import type { Instance } from '../instance';
import { describe, type Log } from './log';
import { storeFailure } from './store-failure';
import type { Settings } from '../settings/settings';

/** Logs when the proxy is ready, and each change of a host or the store. */
export function logEvents(instance: Instance, settings: Settings, log: Log): void {
  const { proxy } = instance;
  let degraded = false;
  if (settings.redis === undefined) {
    log.info('store', 'no --redis: bindings are kept in memory, and sessions end with this process',
      { store: 'memory' });
  }
  onReady(instance, () => {
    const address = instance.server.address();
    // The server may have been closed meanwhile.
    if (address !== null && typeof address !== 'string') logReady(proxy.hosts, address, settings, degraded, log);
  });
  logHosts(proxy, log);
  proxy.on('degraded', (error) => {
    degraded = true;
    logDegraded(storeFailure(error), log);
  });
  proxy.on('recovered', () => {
    degraded = false;
    logRecovered(log);
  });
}

export function logHosts(proxy: EventEmitter<ProxyEvents>, log: Log): void {
  proxy.on('up', (host) => log.info('up', `${host} is up`, { host }));
  proxy.on('down', (host, reason, text) => {
    log.warn('down', `${host} is down: ${withText(reason, text)}`, { host, reason, text });
  });
  proxy.on('suspicious', (host, text) => log.warn('suspicious', suspicionText(host, text), { host, text }));
  proxy.on('added', (host) => log.info('added', `${host} is added`, { host }));
  proxy.on('drained', (host) => log.info('drained', `${host} is drained`, { host }));
  proxy.on('removed', (host) => log.info('removed', `${host} is removed`, { host }));
  proxy.on('rebalancing', () => log.info('rebalancing', 'sessions are moving from the fullest hosts to others'));
  proxy.on('rebalanced', (moved) => {
    log.info('rebalanced', `the rebalance is over: ${moved} sessions were moved`, { moved });
  });
  proxy.on('duplicate', seldom((sid, host, otherHost) => {
    log.warn('duplicate', duplicateText(sid, host, otherHost), { sid: shownSid(sid), host, otherHost });
  }));
  proxy.on('discoveryError', (error) => {
    log.warn('undiscovered', `hosts stay as they are: ${describe(error)}`, { error: describe(error) });
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

export function logReady(
  all: readonly HostStatus[], address: AddressInfo, settings: Settings, degraded: boolean, log: Log,
): void {
  const { redis, tls } = settings;
  const url = urlOf(address, tls !== undefined);
  const up = all.filter(({ state }) => state === 'up').length;
  const hosts = all.length;
  const store = redis?.place ?? 'memory';
  const bindings = redis === undefined ? 'in memory' : `in ${store}${degraded ? ', which fails' : ''}`;
  const message = `listening on ${url}: ${up} of ${hosts} hosts up, bindings ${bindings}`;
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
  signal: NodeJS.Signals, { shutdownDelay, drainTimeout }: Settings['resolved'], log: Log,
): void {
  if (shutdownDelay === 0) {
    log.info('closing', `${signal}: draining for up to ${drainTimeout} ms`, { signal, drainTimeout });
  } else {
    const times = `taking new sessions for ${shutdownDelay} ms, then draining for up to ${drainTimeout} ms`;
    log.info('closing', `${signal}: ${times}`, { signal, shutdownDelay, drainTimeout });
  }
}

/** The message when the admin server cannot listen. */
export function adminError(error: Error, { resolved: { admin } }: Settings): string {
  return `the admin server cannot listen on port ${admin?.port} of ${admin?.bind}: ${describe(error)}`;
}

/** The message when the proxy cannot listen. */
export function listeningError(error: Error, { bind, port }: Settings): string {
  const place = `port ${port}${bind === undefined ? '' : ` of ${bind}`}`;
  const code = 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') return `${place} is taken: another process listens there (EADDRINUSE)`;
  return `cannot listen on ${place}: ${describe(error)}`;
}
