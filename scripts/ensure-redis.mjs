// Makes sure that the tests have a redis-server to start, stop and kill: from the PATH, or installed with the system's
// package manager where that is allowed. Otherwise it says in one line what to install.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const PROGRAM = 'redis-server';

function isOnPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function install() {
  if (process.getuid?.() !== 0 || !isOnPath('apt-get')) return;
  console.log(`${PROGRAM} is not on the PATH: installing it with apt-get`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update', '-qq'], ['install', '-y', '-qq', '--no-install-recommends', PROGRAM]]) {
    // The package starts a service where it can; the tests start servers of their own.
    spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  }
}

if (!isOnPath(PROGRAM)) install();
if (!isOnPath(PROGRAM)) {
  const how = 'Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis';
  console.error(`The tests start and kill a ${PROGRAM} of their own: install one (${how}), and run them again.`);
  process.exit(1);
}
