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
  return String(file.value).split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== '');
}
