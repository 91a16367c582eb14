import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts, startProgram } from '../processes.mjs';

const COMMAND = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/** The command on one process, as a service runs it. What it logs goes nowhere. */
export async function startCommand({ hosts, redisPort, flags = [] }) {
  const [port] = await freePorts(1);
  const args = [
    COMMAND, '--hosts', hosts.map((host) => `127.0.0.1:${host}`).join(), '--redis', `redis://127.0.0.1:${redisPort}`,
    '--bind', '127.0.0.1', '--port', port, '--host-keep-alive', 5000, ...flags,
  ];
  return startProgram(process.execPath, args, port, mkdtempSync(join(tmpdir(), 'bench-command-')));
}
