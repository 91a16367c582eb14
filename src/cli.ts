#!/usr/bin/env node
// Before all that takes its time: a signal that comes meanwhile is not lost, and does not end it.
import './cli/signals';
import cluster from 'node:cluster';
import { failure, readCommandLine } from './cli/settings/command-line';
import { Log } from './cli/log/log';
import { runWorkers } from './cli/workers/primary';
import { run, type Context } from './cli/run';
import { readSettings, type Settings } from './cli/settings/settings';
import { StatusLine } from './cli/log/status-line';

/** Resolves with the exit code. */
async function main(): Promise<number> {
  // In a list of processes it stands instead of the arguments, in which a password may be.
  process.title = 'socket.io-proxy2';
  // Where nobody reads what it says it goes on all the same.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => {});
  const settings = readCommandLine(process.argv.slice(2), process.env);
  if ('exitCode' in settings) {
    process[settings.output].write(settings.text);
    return settings.exitCode;
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

function reread(): Settings {
  const settings = readSettings(process.argv.slice(2), process.env);
  if (typeof settings === 'string') throw new TypeError('a flag has come to the command line');
  return settings;
}

function fail(message: string): void {
  process.stderr.write(failure(message));
}

void main().then((exitCode) => process.exit(exitCode));
