import { MIN_SECRET } from '../../sessions/sid-store';
import { SettingsError } from './sources';
import type { Value } from './values';

/**
 * The secrets of `--store sid`, one in each line of the file; `undefined` for another store.
 *
 * @throws SettingsError that shows none of them.
 */
export function sidSecretsOf(values: ReadonlyMap<string, Value>): readonly string[] | undefined {
  const [store, file] = [values.get('store'), values.get('sid-secret-file')];
  if (store?.value !== 'sid') {
    if (file) throw new SettingsError(`${file.label} needs --store sid too`);
    return undefined;
  }
  if (!file) throw new SettingsError(`${store.label}: sid needs --sid-secret-file too`);
  const secrets = String(file.value).split('\n').map((line) => line.trim()).filter((line) => line !== '');
  if (secrets.length > 0 && secrets.every(({ length }) => length >= MIN_SECRET)) return secrets;
  throw new SettingsError(`${file.label} must hold secrets of at least ${MIN_SECRET} characters, one a line`);
}
