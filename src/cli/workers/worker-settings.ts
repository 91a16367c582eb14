import { resolveOptions } from '../../options/options';
import { MemoryStore } from '../../sessions/session-store';
import { WORKER_OUTPUT, type PlainSettings } from './messages';
import type { Settings } from '../settings/settings';

/** What is one worker's of the settings: the primary checks the hosts, knows them, asks DNS, and is operated. */
export function shareOf(plain: PlainSettings): Settings {
  const options = { ...plain.options };
  delete options.admin;
  delete options.rebalance;
  // The limits are the command's, their defaults too.
  const share = (name: string): number => Number(plain.values.get(name)) / plain.workers;
  if (options.maxHandshakesPerSecond !== undefined) options.maxHandshakesPerSecond = share('max-handshakes-per-second');
  options.maxQueuedHandshakes = Math.ceil(share('max-queued-handshakes'));
  const { accessLog: log } = plain;
  const accessLog = typeof log?.target === 'number' ? { ...log, target: WORKER_OUTPUT } : log;
  return { ...plain, options, accessLog, resolved: resolveOptions({ ...options, store: new MemoryStore() }) };
}
