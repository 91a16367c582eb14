import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { onCleanup } from './cleanup';
import { temporaryFolder } from './program';

const ROOT = join(__dirname, '../..');

interface Started {
  child: ChildProcess;
  stdout: Readable;
  /** Rejects when it has ended. */
  closed: Promise<never>;
}

/** A user's project, in which snippets of a document run as they stand. */
export class SnippetProject {
  readonly #folder = temporaryFolder('snippets-');
  #count = 0;

  /** @param packages what is installed there, beside this package. */
  constructor(packages: readonly string[]) {
    const modules = join(this.#folder, 'node_modules');
    for (const name of ['socket.io-proxy2', ...packages]) {
      mkdirSync(dirname(join(modules, name)), { recursive: true });
      symlinkSync(name === 'socket.io-proxy2' ? ROOT : join(ROOT, 'node_modules', name), join(modules, name), 'junction');
    }
  }

  /**
   * Runs a snippet in a process of its own, and resolves with the port that it listens on.
   *
   * @param said the port that it is told.
   * @param ports where its connections to these ports go. To others there are none.
   */
  async run(text: string, said: number, ports: Readonly<Record<number, number>> = {}): Promise<number> {
    const { child, closed } = this.#start(text, said, ports);
    const [[asked, port]] = await Promise.race([once(child, 'message') as Promise<[[number, number]]>, closed]);
    expect(asked).toBe(said);
    return port;
  }

  /** Runs a snippet that listens on no port, and resolves with the first line that it writes. */
  async firstLine(text: string, ports: Readonly<Record<number, number>>): Promise<string> {
    const { stdout, closed } = this.#start(text, 0, ports);
    const [line] = await Promise.race([once(createInterface(stdout), 'line') as Promise<[string]>, closed]);
    return line;
  }

  #start(text: string, said: number, ports: Readonly<Record<number, number>>): Started {
    const file = join(this.#folder, `snippet-${this.#count += 1}.cjs`);
    writeFileSync(file, text);
    // In a group of its own, since it may start others.
    const child = spawn(process.execPath, ['--require', join(ROOT, 'test/fixtures/divert.cjs'), file], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, PORT: String(said), DIVERT: JSON.stringify(ports) },
    });
    const { stdout, stderr } = child;
    if (!stdout || !stderr) throw new Error('the snippet has no output');
    let errors = '';
    stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const closed = once(child, 'close').then(() => {
      throw new Error(`the snippet has ended: ${errors}`);
    });
    closed.catch(() => {});
    onCleanup(async () => {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGKILL');
      await closed.catch(() => {});
    });
    return { child, stdout, closed };
  }
}
