import { resolveOptions } from '../../options/options';
import { ownStore } from '../own-store';
import { WORKER_OUTPUT, type PlainSettings } from './messages';
import type { Settings } from '../settings/settings';

/** One worker's share of the settings. The primary handles health checks, DNS, the fleet and the admin server. */
export function shareOf(plain: PlainSettings): Settings {
  const options = { ...plain.options };
  delete options.admin;
  delete options.rebalance;
  // The limits, defaults included, apply to the whole command.
  const share = (name: string): number => Number(plain.flagValues.get(name)) / plain.workers;
  if (options.maxHandshakesPerSecond !== undefined) options.maxHandshakesPerSecond = share('max-handshakes-per-second');
  options.maxQueuedHandshakes = Math.ceil(share('max-queued-handshakes'));
  const { accessLog: log } = plain;
  const accessLog = typeof log?.target === 'number' ? { ...log, target: WORKER_OUTPUT } : log;
  const resolved = resolveOptions({ ...options, store: ownStore(plain) });
  return { ...plain, options, accessLog, fleet: false, resolved };
}
