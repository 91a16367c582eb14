import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { byKey, byName, byVariable, FLAGS, isOurs, keyOf, PREFIX, type Flag } from './flags';
import { oneLine } from '../log/log';
import { nearest } from './nearest';

/** Something is wrong with what the command was given. The message is one line, and shows no password of a URL. */
export class SettingsError extends Error {
  override name = 'SettingsError';

  constructor(message: string) {
    // What was given may hold anything; a password that is not escaped, blanks and quotes too. 'http://…' is ours.
    super(oneLine(message).replace(/:\/\/(?!…).*@/, '://***@'));
  }
}

/** What a flag was given, and where: on the command line and in the environment always text. */
export interface Given {
  readonly value: unknown;
  /** The flag as it is spelled there. */
  readonly label: string;
}

export type Source = Map<Flag, Given>;

/** @throws SettingsError for what is no flag, and for a flag that lacks its value. */
export function fromCommandLine(args: readonly string[]): Source {
  const options = Object.fromEntries(FLAGS.map(({ name, type, short }) =>
    [name, { type: type === 'boolean' ? 'boolean' as const : 'string' as const, ...(short ? { short } : {}) }]));
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  const source: Source = new Map();
  for (const token of tokens) {
    if (token.kind === 'positional') {
      throw new SettingsError(`'${token.value}' stands alone: values follow their flag, as in --hosts localhost:3000`);
    }
    if (token.kind === 'option') take(source, token);
  }
  return source;
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function take(source: Source, { name, rawName, value, inlineValue }: OptionToken): void {
  const negated = byName.get(name.replace(/^no-/, ''));
  if (name.startsWith('no-') && negated?.type === 'boolean' && value === undefined) {
    source.set(negated, { value: 'false', label: rawName });
    return;
  }
  const flag = byName.get(name);
  if (!flag) throw unknown(`'${rawName}' is no flag`, name, byName.keys(), '--', '--help lists them');
  if (flag.type === 'boolean') {
    source.set(flag, { value: value ?? 'true', label: rawName });
    return;
  }
  // What looks like a flag is one, unless an equals sign says otherwise.
  const isMissing = value === undefined || (!inlineValue && /^-\D/.test(value));
  if (isMissing) throw new SettingsError(`${rawName} needs a value`);
  const before = flag.type === 'hosts' || flag.type === 'list' ? source.get(flag) : undefined;
  source.set(flag, { value: before ? `${String(before.value)},${value}` : value, label: rawName });
}

/** An empty variable counts as none, as it comes of `${NAME:-}` in many a file. */
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

/** What all of them begin with makes none resemble another. */
function unknownVariable(variable: string): SettingsError {
  const names = Array.from(byVariable.keys(), (name) => name.slice(PREFIX.length));
  const what = `'${variable}' in the environment names no flag`;
  return unknown(what, variable.slice(PREFIX.length), names, PREFIX, '--help lists them');
}

/** @throws SettingsError that names the file, for one that cannot be read and one that holds anything else. */
export function fromFile(path: string, label: string): Source {
  const text = readText(path, label);
  const source: Source = new Map();
  for (const [key, value] of Object.entries(objectOf(text, path))) {
    const flag = byKey.get(key);
    if (!flag) throw unknown(`'${key}' in ${path} names no flag`, key, byKey.keys());
    source.set(flag, { value, label: `'${keyOf(flag)}' in ${path}` });
  }
  return source;
}

function objectOf(text: string, path: string): object {
  let value: unknown;
  try {
    // Some editors begin a file with a mark of its byte order.
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    // Node's message quotes the file, in which a password may stand; only the place is taken from it.
    const at = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
    const place = at === undefined ? '' : `, from line ${text.slice(0, Number(at)).split('\n').length} on`;
    throw new SettingsError(`${path} holds no JSON${place}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SettingsError(`${path} must hold an object, as in {"hosts": ["localhost:3000"]}`);
  }
  return value;
}

/** @throws SettingsError that names what the file was given for. */
export function readText(path: string, label: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code: unknown = Reflect.get(Object(error), 'code');
    if (code !== 'ENOENT') throw new SettingsError(`${label}: '${path}' cannot be read: ${String(code)}`);
    const folder = path.slice(0, -basename(path).length);
    const neighbours = namesIn(dirname(path));
    throw unknown(`${label}: there is no file '${path}'`, basename(path), neighbours, folder);
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** An error that names the nearest right word, where there is one. */
export function unknown(
  what: string, name: string, candidates: Iterable<string>, before = '', otherwise?: string,
): SettingsError {
  const found = nearest(name, candidates);
  if (found !== undefined) return new SettingsError(`${what}; did you mean '${before}${found}'?`);
  return new SettingsError(otherwise === undefined ? what : `${what}; ${otherwise}`);
}
