import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FLAGS, type Flag } from '../../../src/cli/settings/flags';
import { readSettings } from '../../../src/cli/settings/settings';
import { Command } from '../../support/command';
import { startHosts } from '../../support/hosts';
import { handshake } from '../../support/http';
import { logEvents } from '../../support/log-events';
import { ROOT } from '../../support/package';
import { blockOf, temporaryFolder } from '../../support/program';
import { openClient, RedisProcess } from '../../support/redis';

const COMMAND = 'docs/command.md';
const documents = ['README.md', COMMAND, 'docs/stores.md'].map((file) => readFileSync(join(ROOT, file), 'utf8'));
const [, reference = ''] = documents;

function rowOf({ name, type, unit, text, fallback, short, choices }: Flag): string {
  const names = `\`--${name}\`${short === undefined ? '' : `, \`-${short}\``}`;
  const value = choices ? choices.map((choice) => `\`${choice}\``).join(', ') : type === 'boolean' ? 'switch' : unit;
  const said = text.replace(/--[a-z-]+|checkInterval|host=n|(?:rediss?|unix):\/\/…|https:\/\/|dns(?:\+srv)?:[A-Z:]+/g, '`$&`');
  return `| ${names} | ${value} | ${fallback === undefined ? 'none' : `\`${fallback}\``} | ${said}. |`;
}

it('has every flag in its table', () => {
  const table = ['| Flag | Value | Default | What it is |', '|---|---|---|---|', ...FLAGS.map(rowOf)].join('\n');
  expect(/<!-- flags -->\n([^]*)\n<!-- \/flags -->/.exec(reference)?.[1]).toBe(table);
});

it('has every event of the log with its fields', () => {
  const table = /\| `event` \|.+\n\|[-|]+\|\n((?:\|.+\n)+)/.exec(reference)?.[1] ?? '';
  const codesOf = (cell = ''): string[] => Array.from(cell.matchAll(/`([^`]+)`/g), ([, code = '']) => code);
  const rows = table.trimEnd().split('\n').flatMap((row) => {
    const [events, fields] = row.slice(2).split(' | ');
    return codesOf(events).map((event) => [event, codesOf(fields)] as const);
  });
  expect(new Map(rows)).toEqual(logEvents());
});

it('has a file that the command takes', () => {
  const path = join(temporaryFolder('config-'), 'proxy.json');
  writeFileSync(path, blockOf(COMMAND, 'json'));
  expect(readSettings(['--config', path], {})).toMatchObject({ port: 4000, log: 'json', resolved: { drainTimeout: 30_000 } });
});

describe('what is run by hand', () => {
  const shown = /^```sh\nnpx socket\.io-proxy2 (.+)\n```$/gm;
  const commands = new Set(documents.flatMap((text) => Array.from(text.matchAll(shown), ([, args = '']) => args)));

  it.each([...commands])('runs: npx socket.io-proxy2 %s', async (written) => {
    const [redis, hosts] = await Promise.all([RedisProcess.start(), startHosts(2)]);
    const folder = temporaryFolder('command-');
    // The ports are the test's own; all else is as it is written.
    const adapt = (text: string): string => text
      .replaceAll('localhost:3000', hosts[0]?.name ?? '').replaceAll('localhost:3001', hosts[1]?.name ?? '')
      .replace(/redis:\/\/\S*localhost:6379/, redis.url).replace(/(?<=port )\d+/, '0').replace('"port": 4000', '"port": 0');
    writeFileSync(join(folder, 'proxy.json'), adapt(blockOf(COMMAND, 'json')));
    writeFileSync(join(folder, 'sid.secret'), '0'.repeat(64));
    const env = written.includes('--port') || written.includes('--config') ? {} : { PORT: '0' };
    const command = new Command(adapt(written).split(' '), { cwd: folder, env });
    const port = new URL(await command.ready()).port;
    const sid = await handshake(`http://127.0.0.1:${port}`);
    const stored = /--(?:redis|config)/.test(written);
    const bound = await (await openClient(redis.url)).get(`socket.io#${sid}`);
    expect(stored ? hosts.map(({ name }) => name) : [null]).toContain(bound);
    command.signal('SIGTERM');
    expect(await command.ended()).toBe(0);
  });

  it('is every command that is shown', () => {
    const lines = documents.flatMap((text) => text.match(/^npx .+$/gm) ?? []);
    expect(new Set(lines)).toEqual(new Set(Array.from(commands, (args) => `npx socket.io-proxy2 ${args}`)));
  });
});
