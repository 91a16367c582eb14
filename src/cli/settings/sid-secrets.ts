import { MIN_SECRET } from '../../sessions/sid-store';
import { SettingsError } from './sources';
import type { Value } from './values';

/** Nothing that could be a remark, or bytes that are no text. */
const SECRET = new RegExp(`^[!-~]{${MIN_SECRET},}$`);

/**
 * The secrets of `--store sid`: one in each line of the file, but for empty ones and those that begin with #.
 * `undefined` for another store.
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
  const lines = String(file.value).split('\n').map((line) => line.trim());
  const secrets = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (secrets.length > 0 && secrets.every((secret) => SECRET.test(secret))) return secrets;
  const form = `at least ${MIN_SECRET} letters, digits or signs, without blanks`;
  throw new SettingsError(`${file.label} must hold secrets of ${form}, one a line`);
}
