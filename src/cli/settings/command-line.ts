import { version } from '../../base/version';
import { help } from './help';
import { redact } from '../log/log';
import { readSettings, type Settings } from './settings';
import { SettingsError } from './sources';

/** How the command ends where it runs no proxy. */
export interface Reply {
  readonly output: 'stdout' | 'stderr';
  readonly text: string;
  readonly exitCode: number;
}

/** What it is to run with, or how it ends instead. Reads files and opens nothing else. */
export function readCommandLine(args: readonly string[], env: NodeJS.ProcessEnv): Settings | Reply {
  try {
    const settings = readSettings(args, env);
    if (typeof settings !== 'string') return settings;
    return { output: 'stdout', text: settings === 'help' ? help() : `${version}\n`, exitCode: 0 };
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return { output: 'stderr', text: failure(error.message), exitCode: 2 };
  }
}

/** The line that tells why the command ends. */
export function failure(message: string): string {
  return `socket.io-proxy2: ${redact(message)}\n`;
}
