import type { ChildProcess } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnRedis } from './redis-server';

declare global {
  // A global can be declared in no other way.
  // eslint-disable-next-line no-var
  var sharedRedis: ChildProcess | undefined;
}

/** Starts the Redis that the tests share, unless `REDIS_URL` names one; makes the folder that `tested()` writes to. */
export default async function globalSetup(): Promise<void> {
  process.env.TESTED_FOLDER = mkdtempSync(join(tmpdir(), 'tested-'));
  if (process.env.REDIS_URL) return;
  const { port, child } = await spawnRedis();
  globalThis.sharedRedis = child;
  process.env.REDIS_URL = `redis://127.0.0.1:${port}`;
}
