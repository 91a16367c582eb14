import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onCleanup } from './cleanup';
import { cleanEnv } from './command';

const EXAMPLES = join(__dirname, '../../examples');

export function examplePath(...path: string[]): string {
  return join(EXAMPLES, ...path);
}

export function readExample(...path: string[]): string {
  return readFileSync(examplePath(...path), 'utf8');
}

/** A script in a process of its own. Ended when the test is over. */
export class Script extends EventEmitter {
  /** What it has written to its standard output, so far. */
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    super();
    const child = this.#child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'inherit'], env: { ...cleanEnv(), ...env },
    });
    createInterface(child.stdout).on('line', (line) => {
      this.lines.push(line);
      this.emit('line');
    });
    this.#closed = once(child, 'close');
    onCleanup(() => this.#end());
  }

  /** Resolves with the first line that matches, written or to be written. */
  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => pattern.test(line));
      if (found !== undefined) return found;
      const ended = this.#closed.then(() => {
        throw new Error(`no line ${String(pattern)} before its end:\n${this.lines.join('\n')}`);
      });
      await Promise.race([once(this, 'line'), ended]);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Its exit code, or the signal that ended it. */
  async ended(): Promise<number | NodeJS.Signals | null> {
    await this.#closed;
    return this.#child.exitCode ?? this.#child.signalCode;
  }

  async #end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }
}
