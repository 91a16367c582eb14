// Prints a bill of materials (CycloneDX) of what an installation of this package holds, by the lock file.
//
// `npm sbom --omit dev` would be wrong here: it leaves out all that a package for development needs, too, such as `debug`
// and `http-proxy` (https://github.com/npm/cli/issues/7909). So it gets a manifest and a lock file without those packages.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const read = (name) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'));

const { name, version, description, license, dependencies } = read('package.json');
const manifest = { name, version, description, license, dependencies };
const locked = Object.entries(read('package-lock.json').packages).filter(([path, { dev, devOptional }]) => path && !dev && !devOptional);
const packages = { '': manifest, ...Object.fromEntries(locked) };

const parent = mkdtempSync(join(tmpdir(), 'sbom-'));
try {
  // npm calls the package by the name of its folder.
  const folder = join(parent, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ name, version, lockfileVersion: 3, requires: true, packages }));
  const args = ['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx'];
  const { status } = spawnSync('npm', args, { cwd: folder, stdio: 'inherit', shell: process.platform === 'win32' });
  process.exitCode = status ?? 1;
} finally {
  rmSync(parent, { recursive: true });
}
