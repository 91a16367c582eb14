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

export function onSignals({ drain, reload, restart }: SignalHandlers): void {
  let first: { signal: NodeJS.Signals; at: number } | undefined;
  const onEnd = (signal: NodeJS.Signals): void => {
    if (!first) {
      first = { signal, at: performance.now() };
      drain(signal);
    } else if (signal !== first.signal || performance.now() - first.at > SAME_SIGNAL) {
      process.exit(128 + constants.signals[signal]);
    }
  };
  process.on('SIGTERM', onEnd).on('SIGINT', onEnd);
  process.on('SIGHUP', () => {
    if (!first) reload();
  });
  process.on('SIGUSR2', () => {
    if (!first) restart();
  });
}
