import { subscribe } from 'node:diagnostics_channel';
import { toError } from '../base/checks';
import { adminError, listeningError, logAdmin, logClosing, logEvents } from './log/events';
import { Instance } from './instance';
import { describe } from '../base/describe';
import type { Log } from './log/log';
import { Reload } from './reload';
import type { Settings } from './settings/settings';
import { onSignals } from './signals';
import { showStatus, type Watched } from './log/status';
import type { StatusLine } from './log/status-line';

/** The surroundings of a run. */
export interface Context {
  readonly log: Log;
  /** The status line, if there is a terminal for it. */
  readonly status: StatusLine | undefined;
  /** Prints why the command ends. */
  readonly fail: (message: string) => void;
  /** Reads the settings again. @throws SettingsError */
  readonly reread: () => Settings;
}

/** Runs one proxy until a signal ends it, and resolves with the exit code. */
export async function run(settings: Settings, { log, status, fail, reread }: Context): Promise<number> {
  const instance = await Instance.create(settings, log);
  const { proxy } = instance;
  const { hosts, operations: operator } = proxy.parts;
  logAdmin(proxy, log);
  try {
    await proxy.listenAdmin();
  } catch (error) {
    fail(adminError(toError(error), settings.resolved.admin));
    return 1;
  }
  const reload = new Reload({ operator, hosts, setTls: (pair) => instance.setTls(pair) }, settings, log);
  return new Promise((resolve) => {
    let listening = false;
    proxy.on('error', (error) => {
      // A listening server may recover, for example from a lack of descriptors.
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
        const error = 'there is only one worker';
        log.warn('restart-failed', `no worker is restarted: ${error}`, { error });
      },
      drain: (signal) => {
        logClosing(signal, settings.resolved, log);
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

/** Counts requests by diagnostics channel: a `request` listener would count as a handler of foreign requests. */
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
