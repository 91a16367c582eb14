import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onCleanup } from './cleanup';

export const ROOT = join(__dirname, '../..');

/** How long a program may take, in ms: a compilation takes seconds, and much more on a machine with other work. */
export const TIMEOUT = 120_000;

interface Manifest {
  name: string;
  version: string;
  bin: Record<string, string>;
  dependencies: Record<string, string>;
}

/** An entry of a package-lock.json, as far as it is of interest. */
export interface Locked {
  dev?: boolean;
  devOptional?: boolean;
  hasInstallScript?: boolean;
}

const read = (name: string): unknown => JSON.parse(readFileSync(join(ROOT, name), 'utf8'));

/** A folder of the test's own, in which the package was packed. */
export interface Packed {
  folder: string;
  tarball: string;
}

/** What a program prints. Rejects with its errors when it fails, or does not exit by itself. */
export async function run(program: string, args: string[], cwd: string): Promise<string> {
  try {
    return (await promisify(execFile)(program, args, { cwd, timeout: TIMEOUT })).stdout;
  } catch (error) {
    // The compiler's errors are what it prints.
    throw new Error(`${String(error)}\n${(error as { stdout: string }).stdout}`);
  }
}

/** Packs what was built last. */
export async function pack(): Promise<Packed> {
  const folder = mkdtempSync(join(tmpdir(), 'package-'));
  onCleanup(() => rmSync(folder, { recursive: true }));
  await run('npm', ['pack', '--ignore-scripts', '--offline', '--pack-destination', folder], ROOT);
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  if (tarball === undefined) throw new Error('npm has packed nothing');
  return { folder, tarball };
}

/** Every package that an installation holds besides this one, by its place in it. */
export function dependencies(): Record<string, Locked> {
  const { packages } = read('package-lock.json') as { packages: Record<string, Locked> };
  return Object.fromEntries(Object.entries(packages).filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional));
}

/**
 * Installs the packed package as its users do, but in the versions that our own lock file has: these are in npm's cache,
 * and what the test sees does not change from one day to the next.
 *
 * @param flags beside those that let npm ask the registry no more than it must.
 */
export async function install({ folder, tarball }: Packed, flags: readonly string[] = []): Promise<void> {
  const { name, version, bin, dependencies: needed } = read('package.json') as Manifest;
  const wanted = { dependencies: { [name]: `file:${tarball}` } };
  const packages = {
    '': wanted,
    [`node_modules/${name}`]: { version, resolved: `file:${tarball}`, bin, dependencies: needed },
    ...dependencies(),
  };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(wanted));
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, requires: true, packages }));
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...flags], folder);
}

/** The files in a folder, by their paths from there. */
export function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true, encoding: 'utf8' })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1).replaceAll('\\', '/'))
    .sort();
}
