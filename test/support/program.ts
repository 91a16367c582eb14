import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { onCleanup } from './cleanup';

/** Debian keeps servers in a folder that is not on everyone's PATH. */
const env = { ...process.env, PATH: [process.env.PATH, '/usr/sbin', '/usr/local/sbin'].join(delimiter) };

/** A port that no outgoing connection takes by itself. That it is free shows when it is listened on. */
export function somePort(): number {
  return randomInt(20_000, 32_000);
}

/**
 * A port that no other test takes while it is free for a while, as one that is asked for again does: those of listeners
 * on any port are few, and used again soon.
 */
export function lastingPort(): number {
  return randomInt(10_000, 20_000);
}

/** A folder that is removed when the test is over. */
export function temporaryFolder(prefix: string): string {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  onCleanup(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The code block of a document in a language that only one is written in. */
export function blockOf(document: string, language: string): string {
  const text = readFileSync(join(__dirname, '../..', document), 'utf8');
  const block = new RegExp(`^\`\`\`${language}\\n(.+?)^\`\`\`$`, 'ms').exec(text)?.[1];
  if (block === undefined) throw new Error(`${document} has no block of ${language}`);
  return block;
}

/** Replaces each text, which must be there: at once, as what is put in (a port) may look like another of them. */
export function adapt(text: string, replacements: readonly (readonly [from: string, to: string])[]): string {
  for (const [from] of replacements) if (!text.includes(from)) throw new Error(`there is no '${from}' in ${text}`);
  const to = new Map(replacements);
  const any = [...to.keys()].map((from) => from.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|');
  return text.replace(new RegExp(any, 'g'), (from) => to.get(from) ?? from);
}

/** What a program that prints its version says of it. */
export async function versionOf(program: string, args: string[], pattern: RegExp): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(program, args, { env });
  const version = pattern.exec(stdout + stderr)?.[1];
  if (version === undefined) throw new Error(`${program} tells no version: ${stdout}${stderr}`);
  return version;
}

/** A server that runs in the foreground and writes what it does to its standard error. Ended when the test is over. */
export class Program extends EventEmitter {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #log = '';

  constructor(program: string, args: string[]) {
    super();
    const child = this.#child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    this.#exited = new Promise((resolve) => child.once('exit', resolve).once('error', (error) => {
      this.#log += error.message;
      resolve(error);
    }));
    createInterface(child.stderr).on('line', (line) => {
      this.#log += `${line}\n`;
      this.emit('line', line);
    });
    onCleanup(() => this.stop());
  }

  /** Resolves with the next line that has the text; rejects when the program ends before. */
  async line(text: string): Promise<void> {
    const written = new Promise<void>((resolve) => {
      this.on('line', (line: string) => line.includes(text) && resolve());
    });
    const ended = this.#exited.then(() => {
      throw new Error(`it has ended: ${this.#log}`);
    });
    await Promise.race([written, ended]);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#exited;
  }
}

/** Starts a program on a port that is free. */
export async function startOnSomePort(ready: string, start: (port: number) => Program): Promise<{ port: number; program: Program }> {
  for (let tries = 1; ; tries += 1) {
    const port = somePort();
    const program = start(port);
    try {
      await program.line(ready);
      return { port, program };
    } catch (error) {
      // Another process has that port: try one more.
      if (tries === 5 || !/address already in use/i.test(String(error))) throw error;
    }
  }
}
