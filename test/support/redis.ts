import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';
import { onCleanup } from './cleanup';
import { launchRedis, spawnRedis, type LaunchOptions } from './redis-server';

/** A client as the package `redis` makes it, open, with no retries beyond what the package does by default. */
export type TestClient = ReturnType<typeof createClient>;

/** The Redis that all tests share. Keys are kept apart by `keyPrefix`. */
export function sharedRedisUrl(): string {
  const url = process.env.REDIS_URL;
  if (url === undefined) throw new Error('the global set-up has not run');
  return url;
}

export function uniqueKeyPrefix(): string {
  return `test-${randomBytes(6).toString('hex')}#`;
}

/** An open client, closed when the test is over. */
export async function openClient(url = sharedRedisUrl()): Promise<TestClient> {
  const client = createClient({ url });
  client.on('error', () => {});
  onCleanup(() => client.isOpen && client.destroy());
  await client.connect();
  return client as TestClient;
}

/** A redis-server of the test's own, that it may kill, freeze and start again. */
export class RedisProcess {
  readonly port: number;
  #child: ChildProcess | undefined;
  readonly #options: LaunchOptions;

  private constructor(port: number, child: ChildProcess, options: LaunchOptions) {
    this.port = port;
    this.#child = child;
    this.#options = options;
    onCleanup(() => this.kill());
  }

  static async start(args: string[] = [], options: LaunchOptions = {}): Promise<RedisProcess> {
    const { port, child } = await spawnRedis(undefined, args, options);
    return new RedisProcess(port, child, options);
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it again on the same port, empty. */
  async restart(args: string[] = []): Promise<void> {
    await this.kill();
    this.#child = (await spawnRedis(this.port, args, this.#options)).child;
  }

  /** Starts it again with so much data that it loads for more than a second, in which it answers `LOADING`. */
  async restartLoading(): Promise<void> {
    await this.kill();
    const dir = mkdtempSync(join(tmpdir(), 'redis-'));
    onCleanup(() => rmSync(dir, { recursive: true, force: true }));
    const args = ['--enable-debug-command', 'yes'];
    const options = { ...this.#options, dir };
    const { child } = await spawnRedis(this.port, args, options);
    this.#child = child;
    const client = await openClient(this.url);
    await client.sendCommand(['DEBUG', 'POPULATE', '1500']);
    await client.sendCommand(['SAVE']);
    client.destroy();
    await this.kill();
    // One millisecond a key, with a look at its clients every kilobyte.
    const slowly = ['--key-load-delay', '1000', '--loading-process-events-interval-bytes', '1024'];
    this.#child = launchRedis(this.port, [...args, ...slowly], options);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }
}
