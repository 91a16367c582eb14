import { onCleanup } from './cleanup';
import { Command, type ScriptOptions } from './command';
import { childrenOf, isAlive } from './processes';
import { sharedRedisUrl, uniqueKeyPrefix } from './redis';
import { until } from './until';

/** The command with several workers. Neither it nor they are left when the test is over. */
export class WorkersCommand extends Command {
  constructor(args: readonly string[], options?: ScriptOptions) {
    super(args, options);
    // Before the primary is ended, after which nothing tells whose they were.
    onCleanup(() => {
      const pids = this.workers;
      this.signal('SIGKILL');
      for (const pid of pids) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    });
  }

  /** The pids of the workers that run. */
  get workers(): number[] {
    return childrenOf(this.pid);
  }

  /** The lines of `--log json` that tell of an event. */
  eventsOf(name: string): Record<string, unknown>[] {
    return this.events.filter(({ event }) => event === name);
  }

  /** Resolves with the lines that tell of an event, once there are so many. */
  async seen(name: string, count = 1): Promise<Record<string, unknown>[]> {
    await until(`${count} lines of ${name}`, () => this.eventsOf(name).length >= count);
    return this.eventsOf(name);
  }
}

/** Starts it with bindings in Redis and a log in JSON, and resolves when it is ready. */
export async function startWorkers(
  hosts: readonly string[], args: readonly string[] = [], redis = sharedRedisUrl(), env: NodeJS.ProcessEnv = {},
): Promise<{ command: WorkersCommand; url: string }> {
  const common = ['--bind', '127.0.0.1', '--port', '0', '--log', 'json', '--redis', redis, '--key-prefix', uniqueKeyPrefix()];
  const command = new WorkersCommand(['--hosts', hosts.join(','), '--workers', '2', ...common, ...args], { env });
  return { command, url: await command.ready() };
}
