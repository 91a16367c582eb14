import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { find } from '../../../scripts/programs';
import { Script } from '../../support/command';
import { ROOT } from '../../support/package';
import { adapt, blockOf, lastingPort, Program, temporaryFolder } from '../../support/program';
import { startProxy } from '../../support/proxy';
import { until } from '../../support/until';

const QUIET = { checkPath: '/healthz', checkStatus: '200' };

/** Checks a server often for a while, and resolves with what the proxy has said of it besides. */
async function checked(port: number, options: object, checks: () => number): Promise<unknown[]> {
  const { proxy } = await startProxy({ hosts: [`127.0.0.1:${port}`], checkInterval: 10, ...options });
  const said: unknown[] = [];
  await until('it is up', () => proxy.hosts[0]?.state === 'up');
  for (const event of ['down', 'suspicious'] as const) proxy.on(event, (...args: unknown[]) => said.push([event, ...args]));
  const before = checks();
  await until('it is checked', () => checks() >= before + 10);
  await proxy.close();
  return said;
}

it('are what docs/failures.md shows for Node.js, where each other one is an error to the engine', async () => {
  const port = lastingPort();
  const file = join(temporaryFolder('quiet-'), 'server.js');
  const shown = adapt(blockOf('docs/failures.md', 'javascript'), [['3000', String(port)]]);
  writeFileSync(file, `${shown}
    io.engine.on('connection_error', ({ message }) => console.error(message));
    server.prependListener('request', () => console.log('asked'));
  `);
  const server = new Script([file], { env: { NODE_PATH: join(ROOT, 'node_modules') } });
  const asked = (): number => server.lines.length;
  expect(await checked(port, QUIET, asked)).toEqual([]);
  expect(server.errors).toBe('');
  expect(await checked(port, {}, asked)).toEqual([]);
  expect(server.errors).toContain('Transport unknown\n');
});

it('are what docs/failures.md shows for Python, where another one is a line in the log', async () => {
  const port = lastingPort();
  const file = join(temporaryFolder('quiet-'), 'server.py');
  writeFileSync(file, adapt(blockOf('docs/failures.md', 'python'), [
    ['3000', String(port)], ["async_mode='aiohttp'", "async_mode='aiohttp', engineio_logger=True"],
    ['import socketio', 'import logging\nimport socketio\nlogging.basicConfig(level=logging.INFO)'],
  ]));
  const server = new Program(find('python3') ?? 'python3', [file]);
  const lines: string[] = [];
  server.on('line', (line: string) => lines.push(line));
  // aiohttp writes a line for each request.
  const asked = (): number => lines.filter((line) => line.includes('"GET ')).length;
  expect(await checked(port, QUIET, asked)).toEqual([]);
  expect(lines.filter((line) => line.includes('engineio'))).toEqual([expect.stringContaining('Server initialized')]);
  expect(await checked(port, {}, asked)).toEqual([]);
  expect(lines.filter((line) => line.includes('engineio')).slice(1).join()).toMatch(/transport|protocol/i);
});
