import type { AddressInfo } from 'node:net';
import { constants } from 'node:os';
import { describe, placeOf, type Log } from './log';
import { Instance } from './instance';
import type { Settings } from './settings';

/** A shell's Ctrl+C reaches the command by itself and again through npx: both are one. */
const SAME_SIGNAL = 250;

/** Runs one proxy until a signal ends it, and resolves with the exit code. */
export function run(settings: Settings, log: Log): Promise<number> {
  const instance = new Instance(settings);
  const { proxy } = instance;
  return new Promise((resolve) => {
    let listening = false;
    proxy.on('error', (error) => {
      log.error('error', listeningError(error, settings, listening), { error: describe(error) });
      // Once it listens, such as for want of file descriptors, it may yet go on.
      if (!listening) void instance.close().then(() => resolve(1));
    });
    logEvents(instance, settings, log);
    onSignals((signal) => {
      const { drainTimeout } = settings.resolved;
      log.info('closing', `${signal}: draining for up to ${drainTimeout} ms`, { signal, drainTimeout });
      void instance.close().then(() => {
        log.info('closed', 'closed');
        resolve(0);
      });
    });
    proxy.listen({ port: settings.port, ...(settings.bind === undefined ? {} : { host: settings.bind }) }, () => {
      listening = true;
    });
  });
}

/** Calls `drain` at the first signal, and exits at once at the second. */
function onSignals(drain: (signal: NodeJS.Signals) => void): void {
  let first: { signal: NodeJS.Signals; at: number } | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (!first) {
      first = { signal, at: performance.now() };
      drain(signal);
    } else if (signal !== first.signal || performance.now() - first.at > SAME_SIGNAL) {
      process.exit(128 + constants.signals[signal]);
    }
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
}

/** A line when it is ready, and one for each change of a host or the store. */
function logEvents({ proxy, server }: Instance, settings: Settings, log: Log): void {
  const up = new Map<string, boolean>();
  let degraded = false;
  const hear = (host: string, isUp: boolean): void => {
    const wasReady = up.size === settings.options.hosts.length;
    up.set(host, isUp);
    // Each host's first check tells of it.
    if (!wasReady && up.size === settings.options.hosts.length) ready();
  };
  const ready = (): void => {
    const url = urlOf(server.address() as AddressInfo, settings);
    const count = [...up.values()].filter(Boolean).length;
    const store = settings.redis === undefined ? 'memory' : placeOf(settings.redis);
    const where = settings.redis === undefined ? 'in memory' : `in ${store}${degraded ? ', which fails' : ''}`;
    log.info('listening', `listening on ${url}: ${count} of ${up.size} hosts up, bindings ${where}`,
      { url, up: count, hosts: up.size, store });
  };
  if (settings.redis === undefined) {
    log.info('store', 'no --redis is given: bindings are in the memory of this process, and sessions end with it',
      { store: 'memory' });
  }
  proxy.on('up', (host) => {
    log.info('up', `${host} is up`, { host });
    hear(host, true);
  });
  proxy.on('down', (host, reason) => {
    log.warn('down', `${host} is down: ${reason}`, { host, reason });
    hear(host, false);
  });
  proxy.on('degraded', (error) => {
    degraded = true;
    log.warn('degraded', `the store fails: ${describe(error)}`, { error: describe(error) });
  });
  proxy.on('recovered', () => {
    degraded = false;
    log.info('recovered', 'the store works again');
  });
}

function urlOf({ address, port }: AddressInfo, { tls }: Settings): string {
  return `http${tls ? 's' : ''}://${address.includes(':') ? `[${address}]` : address}:${port}`;
}

function listeningError(error: Error, { bind, port }: Settings, listening: boolean): string {
  if (listening) return `the server has failed: ${describe(error)}`;
  const place = `port ${port}${bind === undefined ? '' : ` of ${bind}`}`;
  const code = 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') return `${place} is taken: another process listens there (EADDRINUSE)`;
  return `it cannot listen on ${place}: ${describe(error)}`;
}
