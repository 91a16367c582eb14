import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

/** The servers that can be started here: Redis, and Valkey where it is installed. */
export const SERVERS = ['redis-server', 'valkey-server'].filter((program, i) => i === 0 || isOnPath(program));

/** As the program itself says. */
export async function versionOfServer(program: string): Promise<string> {
  const { stdout } = await promisify(execFile)(program, ['--version']);
  return /v=([\d.]+)/.exec(stdout)?.[1] ?? '';
}

export interface LaunchOptions {
  program?: string | undefined;
  /** A folder that is kept when the server ends; without it, it has one of its own. */
  dir?: string | undefined;
  /** Speaks TLS, with the certificate that signs itself, and nothing else. */
  tls?: boolean | undefined;
}

const [CERT_FILE, KEY_FILE] = ['cert.pem', 'key.pem'].map((file) => join(__dirname, '../fixtures/tls', file));
const TLS = [`--tls-cert-file ${CERT_FILE}`, `--tls-key-file ${KEY_FILE}`, `--tls-ca-cert-file ${CERT_FILE}`];

/** Starts a redis-server that keeps nothing on disk, and resolves when it takes connections. */
export async function spawnRedis(
  port?: number,
  args: string[] = [],
  options: LaunchOptions = {},
): Promise<{ port: number; child: ChildProcess }> {
  for (;;) {
    // A cluster's nodes talk on ports 10,000 higher: these too are not to be taken by outgoing connections, which take
    // those from 32768, while a node is down.
    const candidate = port ?? randomInt(20_000, args.includes('--cluster-enabled') ? 22_700 : 32_000);
    const child = launchRedis(candidate, args, options);
    if (await isReady(child)) return { port: candidate, child };
    if (port !== undefined) throw new Error(`redis-server did not start on port ${port}`);
    // Another process has that port: try one more.
  }
}

/** Starts a redis-server that keeps nothing on disk by itself; it may take a while until it takes connections. */
export function launchRedis(port: number, args: string[], options: LaunchOptions = {}): ChildProcess {
  const { program = 'redis-server', dir, tls = false } = options;
  // A folder of its own: a replica writes a file when it synchronises, which the next server there would load.
  const folder = dir ?? mkdtempSync(join(tmpdir(), 'redis-'));
  const ports = tls ? ['--port', '0', '--tls-port', String(port), ...TLS.flatMap((each) => each.split(' '))] : ['--port', String(port)];
  const fixed = [...ports, '--bind', '127.0.0.1', '--dir', folder];
  const keeping = args.includes('--sentinel') ? [] : ['--save', '', '--appendonly', 'no'];
  // The arguments first: a file of settings may stand there, and nowhere else.
  const child = spawn(program, [...args, ...fixed, ...keeping], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (dir === undefined) child.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return child;
}

async function isReady(child: ChildProcess): Promise<boolean> {
  if (!child.stdout) throw new Error('no standard output');
  const lines = createInterface(child.stdout);
  const ready = new Promise<boolean>((resolve) => {
    lines.on('line', (line) => {
      if (/Ready to accept connections|Sentinel ID is/.test(line)) resolve(true);
    });
    child.on('exit', () => resolve(false));
  });
  const failed = once(child, 'error').then(([error]) => {
    throw error as Error;
  });
  return Promise.race([ready, failed]);
}

function isOnPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
