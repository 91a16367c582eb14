import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { Proxy } from '../../src';
import { logEvents } from '../../src/cli/log/events';
import { Instance } from '../../src/cli/instance';
import { Log } from '../../src/cli/log/log';
import { Reload } from '../../src/cli/reload';
import { readSettings, type Settings } from '../../src/cli/settings/settings';
import { StatusLine } from '../../src/cli/log/status-line';
import { onCleanup } from './cleanup';
import { temporaryFolder } from './program';
import { until } from './until';

/** What the command runs where it has no workers, in this process and with its settings in a file. */
export interface Reloadable {
  /** What it has written. */
  lines: string[];
  /** The line by which it is ready. */
  listening: string;
  url: string;
  proxy: Proxy;
  /** Where the settings are. */
  path: string;
  write: (content: object | string) => void;
  /** Does what SIGHUP does, and returns what it says. */
  reload: () => string[];
  /** Resolves with the first line from one on that matches, written or to be written. */
  line: (pattern: RegExp, from?: number) => Promise<string>;
}

/** @param meanwhile is called when the settings have been read. */
export async function startReloadable(content: object, meanwhile = (): void => {}): Promise<Reloadable> {
  const path = join(temporaryFolder('config-'), 'proxy.json');
  const write = (next: object | string): void => writeFileSync(path, typeof next === 'string' ? next : JSON.stringify(next));
  write(content);
  const read = (): Settings => readSettings(['--config', path, '--drain-timeout', '1'], {}) as Settings;
  const settings = read();
  meanwhile();

  const lines: string[] = [];
  const output = new Writable({
    write: (chunk, _, done) => {
      lines.push(String(chunk).trimEnd());
      done();
    },
  });
  const line = async (pattern: RegExp, from = 0): Promise<string> => {
    const found = (): string | undefined => lines.slice(from).find((each) => pattern.test(each));
    await until(`a line ${String(pattern)}`, found);
    return found() ?? '';
  };
  const log = new Log('text', new StatusLine(output));
  const instance = await Instance.create(settings, log);
  const { proxy } = instance;
  const { hosts, operations: operator } = proxy.parts;
  logEvents(instance, settings, log);
  const reload = new Reload({ operator, hosts, setTls: (pair) => instance.setTls(pair) }, settings, log);
  onCleanup(async () => {
    reload.stop();
    await instance.close();
  });
  proxy.listen({ port: 0, host: '127.0.0.1' });
  const listening = await line(/^listening on/);
  const url = /http\S+:\d+/.exec(listening)?.[0] ?? '';
  return {
    lines, listening, url, proxy, path, write, line,
    reload: () => {
      const from = lines.length;
      reload.apply(read);
      return lines.slice(from);
    },
  };
}
