import { version } from '../../base/version';
import { help } from './help';
import { redact } from '../log/log';
import { readSettings, type Settings } from './settings';
import { SettingsError } from './sources';

/** The command's output and exit code if it runs no proxy. */
export interface Reply {
  readonly output: 'stdout' | 'stderr';
  readonly text: string;
  readonly exitCode: number;
}

/** The settings, or the reply to print instead. Reads files and opens nothing else. */
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

/** The error line of the command. */
export function failure(message: string): string {
  return `socket.io-proxy2: ${redact(message)}\n`;
}
