import { execFileSync, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** How long a call may take, in ms: one that was lost is not to stop everything without a word. */
const CALL_TIMEOUT = 120_000;

const running = new Set();

/** A script in a process of its own; `call` runs one of its methods there. */
class Remote {
  #script;
  #child;
  #calls = new Map();
  #lastId = 0;

  constructor(script, { execArgv, execPath }) {
    this.#script = script;
    const path = fileURLToPath(new URL(script, import.meta.url));
    this.#child = fork(path, [], { execArgv, execPath, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', ({ id, result, error }) => {
      if (id === undefined) return;
      const { resolve, reject } = this.#calls.get(id);
      this.#calls.delete(id);
      if (error === undefined) resolve(result);
      else reject(new Error(error));
    });
    this.#child.on('exit', (code, signal) => {
      for (const { reject } of this.#calls.values()) reject(new Error(`${script} has exited: ${code ?? signal}`));
      this.#calls.clear();
    });
    running.add(this);
  }

  call(method, ...args) {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${this.#script} does not answer '${method}'`)), CALL_TIMEOUT);
      const over = (settle) => (value) => {
        clearTimeout(late);
        settle(value);
      };
      this.#calls.set(id, { resolve: over(resolve), reject: over(reject) });
      this.#child.send({ id, method, args }, (error) => error && over(reject)(error));
    });
  }

  /** A child whose parent is gone ends by itself, and so writes the profile that it was asked for. */
  end(signal) {
    running.delete(this);
    if (signal === undefined && this.#child.connected) this.#child.disconnect();
    return endChild(this.#child, signal);
  }
}

/** Another program, in the foreground, whose CPU is read from outside. */
class Program {
  #child;
  #folder;
  port;

  constructor(command, args, port, folder) {
    this.#child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    this.#folder = folder;
    this.port = port;
    this.#child.on('error', () => {});
    running.add(this);
  }

  async started() {
    for (let i = 0; i < 200; i += 1) {
      if (this.#child.exitCode !== null) throw new Error(`it ended with ${this.#child.exitCode}`);
      if (await accepts(this.port)) return this;
      await sleep(25);
    }
    throw new Error(`nothing listens on ${this.port}`);
  }

  call(method) {
    if (method !== 'usage') throw new Error(`a program has no method ${method}`);
    return cpuOf(this.#child.pid);
  }

  async end(signal) {
    running.delete(this);
    await endChild(this.#child, signal);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** @param script is relative to this file. @param execPath another Node.js than this one. */
export function start(script, { execArgv = ['--expose-gc'], execPath = process.execPath } = {}) {
  return new Remote(script, { execArgv, execPath });
}

/** @param folder is removed when the program has ended. */
export function startProgram(command, args, port, folder) {
  return new Program(command, args, port, folder).started();
}

/** Ends everything that was started here. */
export async function endAll(signal) {
  await Promise.all([...running].map((one) => one.end(signal)));
}

/** The last resort of an exit that nothing can be waited for in. */
process.on('exit', () => {
  for (const one of running) void one.end('SIGKILL');
});

/** `count` ports that nothing listens on. */
export async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => server.listening || once(server, 'listening')));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** A program of this name is on the PATH. */
export function isInstalled(command) {
  return spawnSync('sh', ['-c', 'command -v "$0"', command]).status === 0;
}

/** The first line of what it says of its version. */
export function versionOf(command, args = ['-v']) {
  try {
    // nginx says it on its standard error.
    const text = execFileSync('sh', ['-c', '"$0" "$@" 2>&1', command, ...args], { encoding: 'utf8' });
    return text.split('\n')[0].trim();
  } catch {
    return undefined;
  }
}

async function endChild(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  // One that was a child by IPC has heard of it already.
  if (signal !== undefined || child.channel === undefined) child.kill(signal ?? 'SIGTERM');
  await Promise.race([once(child, 'exit'), sleep(3000, undefined, { ref: false })]);
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** The CPU time of a process and of those that it has started, in µs. Linux only. */
function cpuOf(pid) {
  const parents = new Map();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      // The name in parentheses may hold anything; the state follows the last of them.
      const [, parent] = readFileSync(`/proc/${entry}/stat`, 'latin1').split(') ').at(-1).split(' ');
      parents.set(Number(entry), Number(parent));
    } catch {
      // It has ended in the meantime.
    }
  }
  const sum = (one) => [...parents].filter(([, parent]) => parent === one)
    .reduce((total, [child]) => total + sum(child), ofThreads(one));
  return sum(pid) / 1000;
}

/** What the scheduler has given a process's threads, in ns: exact, where `stat` counts ticks of 10 ms. */
function ofThreads(pid) {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).reduce((sum, task) => sum + Number(readFileSync(`${tasks}/${task}/schedstat`, 'latin1').split(' ')[0]), 0);
}
