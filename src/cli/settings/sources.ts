import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { byKey, byName, byVariable, FLAGS, isOurs, keyOf, PREFIX, type Flag } from './flags';
import { oneLine } from '../../base/describe';
import { nearest } from './nearest';

/** The largest file of a flag, in bytes: a device may never end. */
const MAX_FILE = 1024 * 1024;

/** An invalid setting. The message is one line and shows no password of a URL. */
export class SettingsError extends Error {
  override name = 'SettingsError';

  constructor(message: string) {
    // The input may contain anything, such as an unescaped password with blanks and quotes. 'http://…' is our own text.
    super(oneLine(message).replace(/:\/\/(?!…).*@/, '://***@'));
  }
}

/** A flag's value and its place. Values from the command line and the environment are always text. */
export interface Given {
  readonly value: unknown;
  /** The flag's name in that place. */
  readonly label: string;
}

export type Source = Map<Flag, Given>;

/** Flags of these types may stand without a value. */
const MAY_STAND_ALONE: ReadonlySet<Flag['type']> = new Set(['boolean', 'networks'] as const);

/** Flags of these types may be given several times. */
const LISTS: ReadonlySet<Flag['type']> = new Set(['hosts', 'list', 'networks'] as const);

/** @throws SettingsError for an unknown flag, and for a flag without its value. */
export function fromCommandLine(args: readonly string[]): Source {
  const options = Object.fromEntries(FLAGS.map(({ name, type, short }) =>
    [name, { type: MAY_STAND_ALONE.has(type) ? 'boolean' as const : 'string' as const, ...(short ? { short } : {}) }]));
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  const source: Source = new Map();
  let isList = false;
  tokens.forEach((token, i) => {
    if (token.kind === 'option') {
      const next = tokens[i + 1];
      isList = next?.kind === 'positional' && token.value === undefined && byName.get(token.name)?.type === 'networks';
      take(source, isList && next?.kind === 'positional' ? { ...token, value: next.value } : token);
    } else if (token.kind === 'positional' && !isList) {
      const hint = 'values follow a flag, as in --hosts localhost:3000';
      throw new SettingsError(`unexpected argument '${token.value}'; ${hint}`);
    } else {
      isList = false;
    }
  });
  return source;
}

/** Whether the value is one of a switch. */
export function isSwitch(value: unknown): boolean {
  return typeof value === 'boolean' || value === 'true' || value === '1' || value === 'false' || value === '0';
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function take(source: Source, { name, rawName, value, inlineValue }: OptionToken): void {
  const negated = byName.get(name.replace(/^no-/, ''));
  if (name.startsWith('no-') && negated && MAY_STAND_ALONE.has(negated.type) && value === undefined) {
    source.set(negated, { value: 'false', label: rawName });
    return;
  }
  const flag = byName.get(name);
  if (!flag) throw unknown(`unknown flag '${rawName}'`, name, byName.keys(), '--', 'see --help');
  if (flag.type === 'boolean' || (flag.type === 'networks' && isSwitch(value ?? true))) {
    source.set(flag, { value: value ?? 'true', label: rawName });
    return;
  }
  // A value that looks like a flag needs an equals sign.
  const isMissing = value === undefined || (!inlineValue && /^-\D/.test(value));
  if (isMissing) throw new SettingsError(`${rawName} needs a value`);
  const before = LISTS.has(flag.type) ? source.get(flag) : undefined;
  const isSwitched = flag.type === 'networks' && isSwitch(before?.value);
  source.set(flag, { value: before && !isSwitched ? `${String(before.value)},${value}` : value, label: rawName });
}

/** Ignores empty variables, as `${NAME:-}` in a script or a Compose file often sets them. */
export function fromEnvironment(env: NodeJS.ProcessEnv): Source {
  const source: Source = new Map();
  const { PORT } = env;
  const port = byName.get('port');
  if (port && PORT) source.set(port, { value: PORT, label: 'PORT' });
  for (const [variable, value = ''] of Object.entries(env)) {
    if (!isOurs(variable, value)) continue;
    const flag = byVariable.get(variable);
    if (!flag) throw unknownVariable(variable);
    if (value !== '') source.set(flag, { value, label: variable });
  }
  return source;
}

/** Compares names without the prefix, which would make all of them look similar. */
function unknownVariable(variable: string): SettingsError {
  const names = Array.from(byVariable.keys(), (name) => name.slice(PREFIX.length));
  const what = `unknown environment variable '${variable}'`;
  return unknown(what, variable.slice(PREFIX.length), names, PREFIX, 'see --help');
}

/** @throws SettingsError that names the file, if it cannot be read or contains anything but flags. */
export function fromFile(path: string, label: string): Source {
  const text = readText(path, label);
  const source: Source = new Map();
  for (const [key, value] of Object.entries(objectOf(text, path))) {
    const flag = byKey.get(key);
    if (!flag) throw unknown(`unknown key '${key}' in ${path}`, key, byKey.keys());
    source.set(flag, { value, label: `'${keyOf(flag)}' in ${path}` });
  }
  return source;
}

function objectOf(text: string, path: string): object {
  let value: unknown;
  try {
    // Some editors write a byte order mark.
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    // Node's message quotes the file, which may contain a password. Only the position is taken from it.
    const at = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
    const place = at === undefined ? '' : `, from line ${text.slice(0, Number(at)).split('\n').length} on`;
    throw new SettingsError(`${path} is not valid JSON${place}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SettingsError(`${path} must hold an object, as in {"hosts": ["localhost:3000"]}`);
  }
  return value;
}

/** @throws SettingsError that names the flag of the file. */
export function readText(path: string, label: string): string {
  try {
    const bytes = readSome(path, MAX_FILE + 1);
    if (bytes.length <= MAX_FILE) return bytes.toString();
  } catch (error) {
    const code: unknown = Reflect.get(Object(error), 'code');
    if (code !== 'ENOENT') throw new SettingsError(`${label}: '${path}' cannot be read: ${String(code)}`);
    // Somebody may have given what is to be in the file.
    if (/^[^./]{32,}$/.test(path)) throw new SettingsError(`${label}: there is no file of that name`);
    const folder = path.slice(0, -basename(path).length);
    const neighbours = namesIn(dirname(path));
    throw unknown(`${label}: there is no file '${path}'`, basename(path), neighbours, folder);
  }
  throw new SettingsError(`${label}: '${path}' is larger than ${MAX_FILE} bytes`);
}

/** The first bytes of a file, or of what a pipe gives. */
function readSome(path: string, most: number): Buffer {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(most);
    let length = 0;
    let read: number;
    do {
      read = readSync(file, bytes, length, most - length, null);
      length += read;
    } while (read > 0 && length < most);
    return bytes.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** An error that suggests the most similar name, or else `otherwise`. */
export function unknown(
  what: string, name: string, candidates: Iterable<string>, before = '', otherwise?: string,
): SettingsError {
  const found = nearest(name, candidates);
  if (found !== undefined) return new SettingsError(`${what}; did you mean '${before}${found}'?`);
  return new SettingsError(otherwise === undefined ? what : `${what}; ${otherwise}`);
}
