import type { EventEmitter } from 'node:events';

/**
 * Runs a callback of the user. An error that it throws does not interrupt the caller: the error becomes an uncaught
 * exception of the process, as that of any listener does.
 */
export function callOut(call: () => void): void {
  try {
    call();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}

/** Emits an event to the user's listeners. Errors that they throw do not interrupt the caller. */
export function announce<T extends Record<keyof T, unknown[]>, E extends keyof T & string>(
  emitter: EventEmitter<T>, event: E, ...args: T[E]
): void {
  callOut(() => void Reflect.apply(emitter.emit.bind(emitter), undefined, [event, ...args]));
}

/** The same, if there is a listener. @returns whether there is one. */
export function announceIfHeard<T extends Record<keyof T, unknown[]>, E extends keyof T & string>(
  emitter: EventEmitter<T>, event: E, ...args: T[E]
): boolean {
  const isHeard = emitter.eventNames().map(String).includes(event);
  if (isHeard) announce(emitter, event, ...args);
  return isHeard;
}
