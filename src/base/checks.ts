import { inspect, types } from 'node:util';

/** The longest delay of a Node timer, in ms. */
export const MAX_DELAY = 2 ** 31 - 1;

/** The error for a bad argument. Names the argument, what was expected and what was received. */
export function wrong(name: string, expected: string, received: unknown): TypeError {
  return new TypeError(`'${name}' must ${expected}, received ${inspect(received, { depth: 0 })}`);
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Whether the value is a plain object. The contents of an array, a map or a prototype would be overlooked. */
export function isPlainObject(value: unknown): value is object {
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** @throws TypeError when the value is not an integer within the bounds. */
export function integerOf(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw wrong(name, `be an integer from ${min} to ${max}`, value);
  }
  return value;
}

/** @throws TypeError when the value is not a number within the bounds. */
export function numberOf(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !(value >= min && value <= max)) {
    throw wrong(name, `be a number from ${min} to ${max}`, value);
  }
  return value;
}

/** The thrown value as an error. */
export function toError(error: unknown): Error {
  return error instanceof Error || types.isNativeError(error) ? error : new Error(String(error));
}
