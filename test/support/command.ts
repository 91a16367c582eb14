import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onCleanup } from './cleanup';

/** The built command. */
export const CLI = join(__dirname, '../../dist/cli.js');

export interface ScriptOptions {
  /** Beside what every program needs. */
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** The binary of Node.js, if not this process's own. */
  program?: string;
  /** The numbers of another user and of its group, whom only root may name. */
  user?: number;
  group?: number;
}

/** What a process has in its environment, but for what the command, Node.js or `debug` would take for theirs. */
export function cleanEnv(): NodeJS.ProcessEnv {
  const ours = /^(?:SOCKETIO_PROXY_.*|PORT|DEBUG|NODE_OPTIONS)$/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
}

/** A script in a process of its own. Ended when the test is over. */
export class Script {
  /** All that it has written, so far. */
  output = '';
  errors = '';
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;

  constructor(args: readonly string[], { env = {}, cwd, program = process.execPath, user, group }: ScriptOptions = {}) {
    const child = this.#child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'], env: { ...cleanEnv(), ...env },
      ...(cwd === undefined ? {} : { cwd }), ...(user === undefined ? {} : { uid: user }), ...(group === undefined ? {} : { gid: group }),
    });
    this.pid = child.pid ?? NaN;
    child.stdout.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.errors += chunk.toString()));
    this.#closed = once(child, 'close');
    onCleanup(() => this.#end());
  }

  get lines(): string[] {
    return this.output.split('\n').slice(0, -1);
  }

  /** Resolves with the first line of the output that matches, from one on, written or to be written. */
  async line(pattern: RegExp, from = 0): Promise<string> {
    for (;;) {
      const found = this.lines.slice(from).find((line) => pattern.test(line));
      if (found !== undefined) return found;
      const ended = this.#closed.then(() => {
        throw new Error(`no line ${String(pattern)} before its end:\n${this.output}${this.errors}`);
      });
      await Promise.race([once(this.#child.stdout ?? this.#child, 'data'), ended]);
    }
  }

  /** Reads its output no more: what it writes from then on is an error to it. */
  closeOutput(name: 'stdout' | 'stderr' = 'stdout'): void {
    this.#child[name]?.destroy();
  }

  /** Reads its output no more for now: what it writes stays in the pipe, until that is full. */
  pauseOutput(): void {
    this.#child.stdout?.pause();
  }

  /** Its exit code, or the signal that ended it: all that it wrote has not arrived yet. */
  async exited(): Promise<number | NodeJS.Signals | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
    this.#child.stdout?.resume();
    return this.#child.exitCode ?? this.#child.signalCode;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Its exit code, or the signal that ended it, once all that it wrote has arrived. */
  async ended(): Promise<number | NodeJS.Signals | null> {
    await this.#closed;
    return this.#child.exitCode ?? this.#child.signalCode;
  }

  async #end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }
}

/** The built command in a process of its own. */
export class Command extends Script {
  constructor(args: readonly string[], options?: ScriptOptions) {
    super([CLI, ...args], options);
  }

  /** The log of `--log json`. */
  get events(): Record<string, unknown>[] {
    return this.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Where it listens. */
  async ready(): Promise<string> {
    const line = await this.line(/listening on http/);
    return /listening on (https?:\/\/[^\s"]+:\d+)/.exec(line)?.[1] ?? '';
  }
}

/** Starts it on any port of 127.0.0.1, and resolves when it is ready. */
export async function startCommand(
  args: readonly string[], options?: ScriptOptions,
): Promise<{ command: Command; url: string }> {
  const command = new Command(['--bind', '127.0.0.1', '--port', '0', ...args], options);
  return { command, url: await command.ready() };
}
