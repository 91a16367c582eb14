import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const EXAMPLES = join(__dirname, '../../examples');

export function examplePath(...path: string[]): string {
  return join(EXAMPLES, ...path);
}

export function readExample(...path: string[]): string {
  return readFileSync(examplePath(...path), 'utf8');
}
