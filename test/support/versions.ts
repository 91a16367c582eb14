import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The version of an installed package, by the name under which it is installed. */
export function versionOf(name: string): string {
  // Read as a file: not every package exports it.
  const text = readFileSync(join(__dirname, '../../node_modules', name, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
