import { rmSync } from 'node:fs';

export default function globalTeardown(): void {
  globalThis.sharedRedis?.kill();
  if (process.env.TESTED_FOLDER) rmSync(process.env.TESTED_FOLDER, { recursive: true, force: true });
}
