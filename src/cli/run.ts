import { subscribe } from 'node:diagnostics_channel';
import { toError } from '../base/checks';
import { adminError, listeningError, logAdmin, logEvents } from './log/events';
import { Instance } from './instance';
import { describe, type Log } from './log/log';
import { Reload } from './reload';
import type { Settings } from './settings/settings';
import { onSignals } from './signals';
import { showStatus, type Watched } from './log/status';
import type { StatusLine } from './log/status-line';

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
  const instance = await Instance.create(settings, log);
  const { proxy, hosts } = instance;
  logAdmin(proxy, log);
  try {
    await proxy.listenAdmin();
  } catch (error) {
    fail(adminError(toError(error), settings));
    return 1;
  }
  const reload = new Reload({ operator: proxy.operations, hosts, setTls: (pair) => instance.setTls(pair) }, settings, log);
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
      reload: () => {
        reload.apply(reread);
        instance.reopenLog();
      },
      restart: () => {
        const error = 'there is one worker, and none that goes on meanwhile';
        log.warn('restart-failed', `no worker is restarted: ${error}`, { error });
      },
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
      if (status) showStatus(status, watch(instance));
    });
  });
}

/** A listener of the server's own would take the requests that nobody else takes. */
function watch({ proxy, server }: Instance): Watched {
  let requests = 0;
  subscribe('http.server.request.start', (message) => {
    if (Reflect.get(Object(message), 'server') === server) requests += 1;
  });
  return {
    get hosts() {
      return proxy.hosts;
    },
    get requests() {
      return requests;
    },
  };
}
