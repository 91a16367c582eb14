import { FLAGS, keyOf, type Flag } from './flags';
import type { RedisSettings } from './redis';
import type { Settings } from './settings';

/** The settings as a file for `--config`, and what it lacks. */
export interface Printed {
  readonly json: string;
  /** The names of the secrets that were left out. */
  readonly leftOut: readonly string[];
}

/**
 * All settings, defaults included, but for secrets. Left out rather than replaced: a token that anybody can guess would
 * be taken for one.
 */
export function printed(settings: Settings): Printed {
  const leftOut: string[] = [];
  const file: Record<string, unknown> = {};
  for (const flag of FLAGS) {
    if (flag.only !== undefined || !applies(flag, settings)) continue;
    const value = flag.secret ? withoutSecret(flag, settings, leftOut) : valueOf(flag, settings);
    if (value !== undefined) file[keyOf(flag)] = value;
  }
  return { json: `${JSON.stringify(file, undefined, 2)}\n`, leftOut };
}

/** Defaults of flags that need another one would be refused without it. */
function applies({ name }: Flag, { resolved, redis }: Settings): boolean {
  if (name.startsWith('admin-')) return resolved.admin !== undefined;
  return name !== 'fleet' || redis !== undefined;
}

/** Some defaults depend on other settings: only the resolved options have them. */
function valueOf({ name, type, option }: Flag, { flagValues, files, resolved }: Settings): unknown {
  if (type === 'file') return files.get(name);
  const value = String(option).split('.').reduce<unknown>((object, key) => Reflect.get(Object(object), key), resolved);
  return typeof value === 'number' ? value : flagValues.get(name);
}

function withoutSecret({ name }: Flag, { flagValues, redis }: Settings, leftOut: string[]): string | undefined {
  if (name !== 'redis') {
    if (flagValues.get(name) !== undefined) leftOut.push(`--${name}`);
    return undefined;
  }
  if (redis?.password !== undefined) leftOut.push('the password in --redis');
  return redis && urlOf(redis);
}

/** What `--redis` was, without a password. */
function urlOf({ addresses, socket, tls, username, database }: RedisSettings): string {
  const user = username === undefined ? '' : `${encodeURIComponent(username)}@`;
  if (socket !== undefined) {
    const path = socket.split('/').map(encodeURIComponent).join('/');
    return `unix://${user}${path}${database === 0 ? '' : `?db=${database}`}`;
  }
  const [first, ...others] = addresses.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`);
  const place = `${first}${database === 0 ? '' : `/${database}`}`;
  return `redis${tls ? 's' : ''}://${user}${[place, ...others].join(',')}`;
}
