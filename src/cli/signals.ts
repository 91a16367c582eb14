import { constants } from 'node:os';

/** Ctrl+C reaches the command by itself and once more through npx: both are one. */
const SAME_SIGNAL = 250;

export interface SignalHandlers {
  /** Called once, at the first SIGTERM or SIGINT. A second one exits at once. */
  readonly drain: (signal: NodeJS.Signals) => void;
  /** Called at each SIGHUP. */
  readonly reload: () => void;
  /** Called at each SIGUSR2. */
  readonly restart: () => void;
}

/** Those that came while there was nothing to take them. By default each would end the process at once. */
const missed: NodeJS.Signals[] = [];
let take = (signal: NodeJS.Signals): void => void missed.push(signal);
let first: { signal: NodeJS.Signals; at: number } | undefined;

function onEnd(signal: NodeJS.Signals): void {
  if (!first) {
    first = { signal, at: performance.now() };
    take(signal);
  } else if (signal !== first.signal || performance.now() - first.at > SAME_SIGNAL) {
    process.exit(128 + constants.signals[signal]);
  }
}

function onOther(signal: NodeJS.Signals): void {
  if (!first) take(signal);
}

process.on('SIGTERM', onEnd).on('SIGINT', onEnd).on('SIGHUP', onOther).on('SIGUSR2', onOther);

/** Hands over each signal from now on, and soon those that came before. */
export function onSignals({ drain, reload, restart }: SignalHandlers): void {
  take = (signal) => {
    if (signal === 'SIGHUP') reload();
    else if (signal === 'SIGUSR2') restart();
    // Another one that has come with it is heard first: there may be so little to drain that it would be too late.
    else setImmediate(() => drain(signal));
  };
  setImmediate(() => {
    for (const signal of missed.splice(0)) take(signal);
  });
}
