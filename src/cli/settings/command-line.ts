import { version } from '../../base/version';
import { help } from './help';
import { redact } from '../log/log';
import { printed } from './printed';
import { readSettings, type Settings } from './settings';
import { SettingsError } from './sources';
import { summary } from './summary';

/** The command's output and exit code if it runs no proxy. */
export interface Reply {
  readonly output: 'stdout' | 'stderr';
  readonly text: string;
  readonly exitCode: number;
  /** What to add on the standard error. */
  readonly note?: string;
}

/** The settings, or the reply to print instead. Reads files and opens nothing else. */
export function readCommandLine(args: readonly string[], env: NodeJS.ProcessEnv): Settings | Reply {
  try {
    const settings = readSettings(args, env);
    if (typeof settings !== 'string') return asked(settings) ?? settings;
    return { output: 'stdout', text: settings === 'help' ? help() : `${version}\n`, exitCode: 0 };
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return { output: 'stderr', text: failure(error.message), exitCode: 2 };
  }
}

/** The reply that the settings themselves ask for, if they do. */
function asked(settings: Settings): Reply | undefined {
  const [check, print] = ['check-config', 'print-config'].map((name) => settings.flagValues.get(name) === true);
  if (check && print) throw new SettingsError('--check-config excludes --print-config');
  if (check) return { output: 'stdout', text: summary(settings), exitCode: 0 };
  if (!print) return undefined;
  const { json, leftOut } = printed(settings);
  const note = leftOut.length === 0 ? {} : { note: failure(`left out, as secret: ${leftOut.join(', ')}`) };
  return { output: 'stdout', text: json, exitCode: 0, ...note };
}

/** The error line of the command. */
export function failure(message: string): string {
  return `socket.io-proxy2: ${redact(message)}\n`;
}
