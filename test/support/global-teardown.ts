import { rmSync } from 'node:fs';

export default function globalTeardown(): void {
  if (globalThis.sharedRedis) {
    globalThis.sharedRedis.kill();
    // Jest may run once more in this process, and then needs another.
    globalThis.sharedRedis = undefined;
    delete process.env.REDIS_URL;
  }
  if (process.env.TESTED_FOLDER) rmSync(process.env.TESTED_FOLDER, { recursive: true, force: true });
}
