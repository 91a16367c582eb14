import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, startProgram } from './processes.mjs';

/** A Redis of the benchmark's own, which keeps nothing on disk. */
export async function startRedis() {
  const [port] = await freePorts(1);
  const dir = mkdtempSync(join(tmpdir(), 'bench-redis-'));
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', dir];
  return startProgram('redis-server', args, port, dir);
}
