import { fork, type ChildProcess, type ForkOptions } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import { onCleanup } from './cleanup';

interface Answer {
  id?: number;
  result?: unknown;
  error?: string;
  event?: string;
  detail?: unknown;
}

/** A fixture in a process of its own, whose methods are called over IPC; its events are emitted here. */
export class Remote extends EventEmitter {
  readonly #child: ChildProcess;
  readonly #calls = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #lastId = 0;

  constructor(fixture: string, execArgv: string[] = [], runtime: Pick<ForkOptions, 'execPath' | 'serialization'> = {}) {
    super();
    this.#child = fork(join(__dirname, '../fixtures', fixture), {
      serialization: 'advanced',
      execArgv,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      ...runtime,
    });
    this.#child.on('message', (answer: Answer) => this.#onAnswer(answer));
    this.#child.on('exit', () => {
      for (const { reject } of this.#calls.values()) reject(new Error(`${fixture} has exited`));
      this.#calls.clear();
    });
    onCleanup(() => this.kill());
  }

  get pid(): number {
    return this.#child.pid ?? NaN;
  }

  /** The process has not ended. */
  get connected(): boolean {
    return this.#child.connected;
  }

  call<T>(method: string, ...args: unknown[]): Promise<T> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise<T>((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#child.send({ id, method, args });
    });
  }

  /** Freezes the process, as a machine that has stalled. */
  freeze(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  thaw(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  /** Ends the process at once, and resolves when it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill(signal);
    await exited;
  }

  /** Resolves with the exit code when the process has ended by itself. */
  async exit(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }

  #onAnswer({ id, result, error, event, detail }: Answer): void {
    if (event !== undefined) {
      this.emit(event, detail);
      return;
    }
    const call = this.#calls.get(id ?? 0);
    this.#calls.delete(id ?? 0);
    if (error === undefined) call?.resolve(result as never);
    else call?.reject(new Error(error));
  }
}
