import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const SCRIPT = join(__dirname, '../../scripts/ensure-programs.mjs');

function ensure(names: string[], path = process.env.PATH): { status: number | null; lines: string[] } {
  const env = { ...process.env, PATH: path, CHROMIUM_PATH: '' };
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, ...names], { env, encoding: 'utf8' });
  return { status, lines: stderr.split('\n').filter((line) => line !== '') };
}

it('finds what the tests need', () => {
  expect(ensure(['redis-server', 'nginx', 'haproxy', 'python3', 'helm'])).toEqual({ status: 0, lines: [] });
});

it('says in a line for each program what to install where it can install nothing', () => {
  const { status, lines } = ensure(['redis-server', 'chromium'], '/nowhere');
  expect(status).toBe(1);
  expect(lines).toEqual([
    expect.stringMatching(/^The tests need redis-server: .*apt-get install redis-server\b.*brew install redis/),
    expect.stringMatching(/^The tests need chromium: .*apt-get install chromium\b.*CHROMIUM_PATH/),
  ]);
});

it('refuses a name that it does not know', () => {
  expect(ensure(['redis'])).toEqual({
    status: 1,
    lines: ['ensure-programs: expected any of redis-server, nginx, haproxy, chromium, python3, helm; received redis'],
  });
});
