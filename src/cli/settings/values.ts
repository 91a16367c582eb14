import { availableParallelism } from 'node:os';
import { inspect } from 'node:util';
import type { Flag } from './flags';
import { isSwitch, readText, SettingsError, unknown, type Given } from './sources';

/** A flag's parsed value from one place. */
export interface Value {
  readonly value: unknown;
  readonly label: string;
  /** The path, if the flag is of type `file`. */
  readonly path?: string;
}

/** @throws SettingsError for an invalid value. */
export function parsed(source: ReadonlyMap<Flag, Given>): Map<string, Value> {
  return new Map(Array.from(source, ([flag, given]) => [flag.name, parse(flag, given)]));
}

export function parse(flag: Flag, { value, label }: Given): Value {
  switch (flag.type) {
    case 'hosts': return { value: hostsOf(value), label };
    case 'list': return { value: listOf(value), label };
    case 'networks': return { value: networksOf(value, label), label };
    case 'number': return { value: numberOf(flag, value, label), label };
    case 'integer': return { value: integerOf(flag, value, label), label };
    case 'boolean': return { value: booleanOf(value, label), label };
    case 'choice': return { value: choiceOf(flag, value, label), label };
    case 'file': {
      const path = textOf(flag, value, label);
      const text = readText(path, label);
      return { value: flag.reread ? path : text, label, path };
    }
    default: return { value: textOf(flag, value, label), label };
  }
}

export function wrong(label: string, expected: string, value: unknown): SettingsError {
  const received = inspect(value, { depth: 0, breakLength: Infinity });
  return new SettingsError(`${label} must ${expected}, received ${received}`);
}

function textOf(flag: Flag, value: unknown, label: string): string {
  if (typeof value === 'string' && (value !== '' || flag.name === 'key-prefix')) return value;
  if (value === '') throw new SettingsError(`${label} must not be empty`);
  throw flag.secret ? new SettingsError(`${label} must be text`) : wrong(label, 'be text', value);
}

function integerOf({ min = 0, max = 0, perProcessor }: Flag, value: unknown, label: string): number {
  if (value !== undefined && value === perProcessor) return Math.min(max, availableParallelism());
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max) return number;
  throw wrong(label, `be an integer from ${min} to ${max}${perProcessor ? ` or ${perProcessor}` : ''}`, value);
}

function numberOf({ min = 0, max = 0 }: Flag, value: unknown, label: string): number {
  const number = typeof value === 'string' && /^\d+(?:\.\d+)?$/.test(value) ? Number(value) : value;
  if (typeof number === 'number' && number >= min && number <= max) return number;
  throw wrong(label, `be a number from ${min} to ${max}`, value);
}

function booleanOf(value: unknown, label: string): boolean {
  if (value === true || value === 'true' || value === '1') return true;
  if (value === false || value === 'false' || value === '0') return false;
  throw wrong(label, 'be true or false', value);
}

function choiceOf({ choices = [] }: Flag, value: unknown, label: string): string {
  if (typeof value === 'string' && choices.includes(value)) return value;
  const { message } = wrong(label, `be ${choices.join(' or ')}`, value);
  throw typeof value === 'string' ? unknown(message, value, choices) : new SettingsError(message);
}

function listOf(value: unknown): unknown {
  return typeof value === 'string' ? value.split(',').map((entry) => entry.trim()).filter(Boolean) : value;
}

/** A switch, or comma-separated networks. The library validates these. */
function networksOf(value: unknown, label: string): unknown {
  return isSwitch(value) ? booleanOf(value, label) : listOf(value);
}

/** Comma-separated `host` or `host=weight`. The library validates the hosts. */
function hostsOf(value: unknown): unknown {
  const entries = listOf(value);
  if (!Array.isArray(entries)) return entries;
  return entries.map((entry: unknown) => {
    const weighted = typeof entry === 'string' ? /^(.+)=([^=]*)$/.exec(entry) : null;
    if (!weighted) return entry;
    const [, host, weight = ''] = weighted;
    return { host, weight: /^\d+$/.test(weight) ? Number(weight) : weight };
  });
}
