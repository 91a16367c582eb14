import { fork } from 'node:child_process';
import { EventEmitter, once } from 'node:events';

/** A part in a process of its own, whose methods are called over IPC; its events are emitted here. */
export class Remote extends EventEmitter {
  #child;
  #calls = new Map();
  #lastId = 0;

  constructor(path, execArgv = []) {
    super();
    this.#child = fork(path, { serialization: 'advanced', execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', ({ id, result, error, event, detail }) => {
      if (event !== undefined) {
        this.emit(event, detail);
        return;
      }
      const { resolve, reject } = this.#calls.get(id);
      this.#calls.delete(id);
      if (error === undefined) resolve(result);
      else reject(new Error(error));
    });
    this.#child.on('error', () => {});
    this.#child.on('exit', () => {
      for (const { reject } of this.#calls.values()) reject(new Error('the process has ended'));
      this.#calls.clear();
    });
  }

  call(method, ...args) {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#child.send({ id, method, args }, (error) => error && reject(error));
    });
  }

  signal(signal) {
    this.#child.kill(signal);
  }

  async kill() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}
