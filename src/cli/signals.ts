import { constants } from 'node:os';

/** Within this time, in ms, a repeated signal counts once: Ctrl+C arrives directly and again through npx. */
const SAME_SIGNAL = 250;

export interface SignalHandlers {
  /** Called once, at the first SIGTERM or SIGINT. A second one exits at once. */
  readonly drain: (signal: NodeJS.Signals) => void;
  /** Called at each SIGHUP. */
  readonly reload: () => void;
  /** Called at each SIGUSR2. */
  readonly restart: () => void;
}

/** Signals that arrived before there were handlers. Without a listener each would end the process at once. */
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

/** Passes each signal to the handlers, and on the next turn those that arrived before. */
export function onSignals({ drain, reload, restart }: SignalHandlers): void {
  take = (signal) => {
    if (signal === 'SIGHUP') reload();
    else if (signal === 'SIGUSR2') restart();
    // Deferred, so that a second signal that arrived with this one can still exit at once.
    else setImmediate(() => drain(signal));
  };
  setImmediate(() => {
    for (const signal of missed.splice(0)) take(signal);
  });
}
