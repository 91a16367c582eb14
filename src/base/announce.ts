import type { EventEmitter } from 'node:events';

/**
 * Calls what is the user's in the middle of our work. What it throws does not end that work: it is the process's
 * uncaught exception, as any listener's.
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

/** Emits an event whose listeners are the user's. */
export function announce<T extends Record<keyof T, unknown[]>, E extends keyof T & string>(
  emitter: EventEmitter<T>, event: E, ...args: T[E]
): void {
  callOut(() => void Reflect.apply(emitter.emit.bind(emitter), undefined, [event, ...args]));
}
