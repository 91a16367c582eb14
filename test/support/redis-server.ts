import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Starts a redis-server that keeps nothing on disk, and resolves when it takes connections. */
export async function spawnRedis(port?: number, args: string[] = []): Promise<{ port: number; child: ChildProcess }> {
  for (;;) {
    const candidate = port ?? randomInt(20_000, 32_000);
    const child = launchRedis(candidate, args);
    if (await isReady(child)) return { port: candidate, child };
    if (port !== undefined) throw new Error(`redis-server did not start on port ${port}`);
    // Another process has that port: try one more.
  }
}

/** Starts a redis-server that keeps nothing on disk by itself; it may take a while until it takes connections. */
export function launchRedis(port: number, args: string[]): ChildProcess {
  // A folder of its own: a replica writes a file when it synchronises, which the next server there would load.
  const dir = mkdtempSync(join(tmpdir(), 'redis-'));
  const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', dir];
  const child = spawn('redis-server', [...fixed, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  return child;
}

async function isReady(child: ChildProcess): Promise<boolean> {
  if (!child.stdout) throw new Error('no standard output');
  const lines = createInterface(child.stdout);
  const ready = new Promise<boolean>((resolve) => {
    lines.on('line', (line) => {
      if (line.includes('Ready to accept connections')) resolve(true);
    });
    child.on('exit', () => resolve(false));
  });
  const failed = once(child, 'error').then(([error]) => {
    throw error as Error;
  });
  return Promise.race([ready, failed]);
}
