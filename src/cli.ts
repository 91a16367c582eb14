#!/usr/bin/env node
// First, since loading the rest takes time: a signal that arrives meanwhile must not be lost, nor end the process.
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
  // Hides the arguments, which may contain a password, from process lists.
  process.title = 'socket.io-proxy2';
  // A closed output must not end the process.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => {});
  const settings = readCommandLine(process.argv.slice(2), process.env);
  if ('exitCode' in settings) {
    process[settings.output].write(settings.text);
    if (settings.note !== undefined) process.stderr.write(settings.note);
    return settings.exitCode;
  }
  const status = new StatusLine(process.stdout);
  // A terminal that closes sends SIGHUP, which reloads. A command started in that terminal should end instead.
  if (process.stdout.isTTY) process.stdout.once('error', () => process.kill(process.pid, 'SIGTERM'));
  const context: Context = {
    log: new Log(settings.log, status),
    status: showsStatus(settings) ? status : undefined,
    fail,
    reread,
  };
  if (settings.workers === 1) return run(settings, context);
  if (cluster.isPrimary) return runWorkers(settings, context);
  fail('--workers must be 1 inside a cluster worker, such as one of PM2');
  return 2;
}

/** No status line if anything other than the log writes lines: they would mix. */
function showsStatus({ quiet, log, accessLog }: Settings): boolean {
  const isOwn = log === 'text' && !process.env.DEBUG && typeof accessLog?.target !== 'number';
  return process.stdout.isTTY && process.env.TERM !== 'dumb' && !quiet && isOwn;
}

function reread(): Settings {
  const settings = readSettings(process.argv.slice(2), process.env);
  if (typeof settings === 'string') throw new TypeError('--help and --version cannot be reloaded');
  return settings;
}

function fail(message: string): void {
  process.stderr.write(failure(message));
}

void main().then((exitCode) => process.exit(exitCode));
