import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Records that the running test has shown that the proxy works with something: the last line of the test. Once
 * all tests have passed, it has to stand in the README's table (`npm run tested` writes it).
 *
 * @param kind what it is to the proxy: 'Redis client', 'Redis server', 'Server', 'Client', 'In front', 'Mounted on'.
 * @param name as its makers write it.
 * @param version as it says itself, whole or in part; the table shortens it. Empty where it has none.
 */
export function tested(kind: string, name: string, version: string): void {
  const folder = process.env.TESTED_FOLDER;
  if (folder === undefined) throw new Error('the global set-up has not run');
  // One file a process, since several write at once.
  appendFileSync(join(folder, `${process.pid}.jsonl`), `${JSON.stringify({ kind, name, version })}\n`);
}
