import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { onCleanup } from '../../support/cleanup';
import { CLI, cleanEnv, startCommand } from '../../support/command';
import { startHost } from '../../support/hosts';
import { handshake, request } from '../../support/http';
import { sharedRedisUrl, uniqueKeyPrefix } from '../../support/redis';
import { until } from '../../support/until';

/** Runs a command on a terminal of its own, whose bytes pass through; `script` would need one itself. */
const TERMINAL = 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)';

class Terminal {
  /** All bytes that the terminal was sent. */
  written = '';
  readonly ended: Promise<unknown[]>;

  constructor(args: string[], env: NodeJS.ProcessEnv = {}) {
    const child = spawn('python3', ['-c', TERMINAL, process.execPath, CLI, '--bind', '127.0.0.1', '--port', '0', ...args], {
      stdio: ['pipe', 'pipe', 'inherit'], env: { ...cleanEnv(), TERM: 'xterm', ...env },
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.written += text));
    this.ended = once(child, 'close');
    this.type = (text) => void child.stdin.write(text);
    this.close = () => void child.kill('SIGKILL');
    onCleanup(async () => {
      child.stdin.end();
      child.kill('SIGKILL');
      await this.ended;
    });
  }

  readonly type: (text: string) => void;
  /** Takes the terminal away, as a window that is closed. */
  readonly close: () => void;

  async shows(pattern: RegExp): Promise<RegExpExecArray | null> {
    await until(`the terminal shows ${String(pattern)}`, () => pattern.test(this.written));
    return pattern.exec(this.written);
  }

  /** What stands on the screen, line by line: what was cleared does not. */
  get screen(): string[] {
    return this.written.split(/\r?\n/).map((line) => line.split('\r\x1b[K').at(-1) ?? '');
  }
}

const STATUS = /\d+\/\d+ hosts up · \d+ sessions · \d+ requests\/s/;

describe('on a terminal', () => {
  it('shows hosts, sessions and requests in a line below the log, which goes when it ends', async () => {
    const host = await startHost();
    const terminal = new Terminal(['--hosts', `${host.name},127.0.0.1:1`]);
    const url = (await terminal.shows(/listening on (http:\S+\d):/))?.[1] ?? '';
    await Promise.all([handshake(url), handshake(url), handshake(url)]);
    // In each second some: those of the handshakes may be counted in the second before their sessions.
    await until('the line shows all three', async () => {
      await request(`${url}/nowhere`);
      return /1\/2 hosts up · 3 sessions · [1-9]\d* requests\/s/.test(terminal.written);
    });
    expect(terminal.screen.at(-1)).toMatch(STATUS);
    expect(terminal.screen.slice(0, -1).filter((line) => STATUS.test(line))).toEqual([]);
    terminal.type('\x03');
    expect(await terminal.ended).toEqual([0, null]);
    expect(terminal.screen.filter((line) => STATUS.test(line))).toEqual([]);
    expect(terminal.screen.slice(-2)).toEqual(['closed', '']);
  });

  it('shows the sums over several workers, which Ctrl+C drains', async () => {
    const host = await startHost();
    const args = ['--hosts', `${host.name},127.0.0.1:1`, '--redis', sharedRedisUrl(), '--key-prefix', uniqueKeyPrefix()];
    const terminal = new Terminal([...args, '--workers', '2']);
    const url = (await terminal.shows(/listening on (http:\S+\d):/))?.[1] ?? '';
    await Promise.all([handshake(url), handshake(url), handshake(url)]);
    await terminal.shows(/1\/2 hosts up · 3 sessions · \d+ requests\/s/);
    await terminal.shows(/[1-9]\d* requests\/s/);
    terminal.type('\x03');
    expect(await terminal.ended).toEqual([0, null]);
    expect(terminal.screen.slice(-3)).toEqual(['SIGINT: draining for up to 10000 ms', 'closed', '']);
  });

  it('drains and ends when the terminal is closed', async () => {
    const host = await startHost();
    const terminal = new Terminal(['--hosts', host.name]);
    const url = (await terminal.shows(/listening on (http:\S+\d):/))?.[1] ?? '';
    await handshake(url);
    terminal.close();
    await until('it has ended', () => handshake(url).then(() => false, () => true));
  });

  it.each<[name: string, args: string[], env: NodeJS.ProcessEnv]>([
    ['--quiet', ['--quiet'], {}], ['--log json', ['--log', 'json'], {}], ['DEBUG', [], { DEBUG: 'none' }],
  ])('shows none with %s', async (_, args, env) => {
    const host = await startHost();
    const terminal = new Terminal(['--hosts', host.name, ...args], env);
    await terminal.shows(/listening on/);
    terminal.type('\x03');
    await terminal.ended;
    expect(terminal.written).not.toMatch(STATUS);
    expect(terminal.written).not.toContain('\x1b');
  });
});

it('shows none in a pipe', async () => {
  const host = await startHost();
  const { command } = await startCommand(['--hosts', host.name]);
  command.signal('SIGTERM');
  await command.ended();
  expect(command.output).not.toMatch(STATUS);
  expect(command.output).not.toContain('\x1b');
});
