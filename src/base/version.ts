import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The installed version of this package. */
export const version: string = (() => {
  const manifest: unknown = JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8'));
  return String(Reflect.get(Object(manifest), 'version'));
})();
