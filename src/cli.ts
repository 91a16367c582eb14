#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { help } from './cli/help';
import { Log, redact } from './cli/log';
import { run } from './cli/run';
import { readSettings, type Request, type Settings } from './cli/settings';
import { SettingsError } from './cli/sources';

const NAME = 'socket.io-proxy2';

/** Resolves with the exit code. */
async function main(): Promise<number> {
  // In a list of processes it stands instead of the arguments, in which a password may be.
  process.title = NAME;
  let settings: Settings | Request;
  try {
    settings = readSettings(process.argv.slice(2), process.env);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(`${NAME}: ${redact(error.message)}\n`);
    return 2;
  }
  if (typeof settings === 'string') {
    process.stdout.write(settings === 'help' ? help() : `${version()}\n`);
    return 0;
  }
  return run(settings, new Log(settings.log));
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(__dirname, '../package.json'), 'utf8'));
  return String(Reflect.get(Object(manifest), 'version'));
}

void main().then((exitCode) => process.exit(exitCode));
