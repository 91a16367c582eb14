#!/usr/bin/env node
// Before all that takes its time: a signal that comes meanwhile is not lost, and does not end it.
import './cli/signals';
import cluster from 'node:cluster';
import { help } from './cli/help';
import { Log, redact } from './cli/log';
import { runWorkers } from './cli/primary';
import { run, type Context } from './cli/run';
import { readSettings, type Request, type Settings } from './cli/settings';
import { SettingsError } from './cli/sources';
import { StatusLine } from './cli/status-line';
import { version } from './version';

const NAME = 'socket.io-proxy2';

/** Resolves with the exit code. */
async function main(): Promise<number> {
  // In a list of processes it stands instead of the arguments, in which a password may be.
  process.title = NAME;
  // Where nobody reads what it says it goes on all the same.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => {});
  let settings: Settings | Request;
  try {
    settings = read();
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    fail(error.message);
    return 2;
  }
  if (typeof settings === 'string') {
    process.stdout.write(settings === 'help' ? help() : `${version}\n`);
    return 0;
  }
  const status = new StatusLine(process.stdout);
  // SIGHUP, which a terminal sends that is closed, reloads; but who started it there means to end it.
  if (process.stdout.isTTY) process.stdout.once('error', () => process.kill(process.pid, 'SIGTERM'));
  const context: Context = {
    log: new Log(settings.log, status),
    status: showsStatus(settings) ? status : undefined,
    fail,
    reread,
  };
  if (settings.workers === 1) return run(settings, context);
  if (cluster.isPrimary) return runWorkers(settings, context);
  fail('--workers must be 1 in a worker of a cluster, such as one of PM2');
  return 2;
}

/** Lines that are not the log's own would be mixed with it. */
function showsStatus({ quiet, log, accessLog }: Settings): boolean {
  const isOwn = log === 'text' && !process.env.DEBUG && typeof accessLog?.target !== 'number';
  return process.stdout.isTTY && process.env.TERM !== 'dumb' && !quiet && isOwn;
}

function read(): Settings | Request {
  return readSettings(process.argv.slice(2), process.env);
}

function reread(): Settings {
  const settings = read();
  if (typeof settings === 'string') throw new TypeError('a flag has come to the command line');
  return settings;
}

function fail(message: string): void {
  process.stderr.write(`${NAME}: ${redact(message)}\n`);
}

void main().then((exitCode) => process.exit(exitCode));
