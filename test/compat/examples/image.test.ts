import { chmodSync, constants, copyFileSync, cpSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { onCleanup } from '../../support/cleanup';
import { Script } from '../../support/command';
import { imageOf, instructionsOf, lastOf, nodeArgs } from '../../support/dockerfile';
import { examplePath } from '../../support/examples';
import { startHost } from '../../support/hosts';
import { handshake } from '../../support/http';
import { install, pack, TIMEOUT } from '../../support/package';
import { lastingPort } from '../../support/program';
import { sharedRedisUrl, uniqueKeyPrefix } from '../../support/redis';

const IS_ROOT = process.getuid?.() === 0;

const knows = (flag: string): boolean => process.allowedNodeEnvironmentFlags.has(flag);

/** Node.js then opens no file to write, as with a root file system that is read-only; nor does it start processes. */
const READ_ONLY = [
  knows('--permission') ? '--permission' : '--experimental-permission', '--allow-fs-read=*',
  ...(knows('--allow-net') ? ['--allow-net'] : []),
];

/** What is done to a folder by the Dockerfile of examples/docker: there is no Docker here. */
let app: string;
let node: string;

/** The words of the instruction that installs, but for the program. */
function installFlags(): string[] {
  const runs = instructionsOf('docker').filter(([name]) => name === 'RUN');
  expect(runs).toHaveLength(1);
  const words = runs[0]?.[1].split(' ') ?? [];
  expect([...words.slice(0, 2), words.at(-1)]).toEqual(['npm', 'install', '"socket.io-proxy2@$VERSION"']);
  return words.slice(2, -1);
}

/** Copies as the image's stage does, and takes all rights to write. */
function build(installed: string, image: string): string {
  const root = (path: string): string => join(image, lastOf('docker', 'WORKDIR'), path);
  mkdirSync(root(''), { recursive: true });
  const copies = imageOf('docker').filter(([name]) => name === 'COPY').map(([, rest]) => rest.split(' '));
  expect(copies).toEqual([['--from=install', '/app/node_modules', './node_modules'], ['healthcheck.mjs', './']]);
  cpSync(join(installed, 'node_modules'), root('node_modules'), { recursive: true });
  cpSync(examplePath('docker/healthcheck.mjs'), root('healthcheck.mjs'));
  const entries = ['', ...readdirSync(image, { recursive: true, encoding: 'utf8' })].map((entry) => join(image, entry));
  const folders = entries.filter((path) => statSync(path).isDirectory());
  // What is in them cannot be removed otherwise.
  onCleanup(() => folders.forEach((path) => chmodSync(path, 0o755)));
  for (const path of entries) chmodSync(path, folders.includes(path) ? 0o555 : 0o444);
  return root('');
}

beforeAll(async () => {
  const packed = await pack();
  await install(packed, installFlags());
  // It is the user's way to all that is in it.
  chmodSync(packed.folder, 0o755);
  // The one that runs this may lie where the user has no access.
  node = join(packed.folder, 'node');
  copyFileSync(process.execPath, node, constants.COPYFILE_FICLONE);
  chmodSync(node, 0o755);
  app = build(packed.folder, join(packed.folder, 'image'));
}, 2 * TIMEOUT);

/** Runs what an instruction says and more, as the image's user, with its environment. */
function run(instruction: string, more: readonly string[]): Script {
  const variables = imageOf('docker').filter(([name]) => name === 'ENV').map(([, rest]) => rest.split('=') as [string, string]);
  return new Script([...READ_ONLY, ...nodeArgs(lastOf('docker', instruction)), ...more], {
    cwd: app, program: node, env: { HOME: '/nowhere', TMPDIR: '/nowhere', ...Object.fromEntries(variables) }, ...asUser(),
  });
}

/** The user of the image, whom only root can be. */
function asUser(): { user?: number; group?: number } {
  const [user = NaN, group = NaN] = lastOf('docker', 'USER').split(':').map(Number);
  return IS_ROOT ? { user, group } : {};
}

/** What it says of errors, but for Node.js's word on its features that are experimental. */
const errorsOf = (script: Script): string => script.errors.replace(/^\(.*(?:ExperimentalWarning|--trace-warnings).*\n/gm, '');

it('has all that the command needs, and nothing that its user may write', async () => {
  const script = run('ENTRYPOINT', JSON.parse(lastOf('docker', 'CMD')) as string[]);
  expect(await script.ended()).toBe(0);
  expect(errorsOf(script)).toBe('');
  expect(script.lines[0]).toMatch(/^Usage: socket\.io-proxy2 /);
  const write = new Script(['-e', "require('node:fs').writeFileSync('node_modules/x', '')"], {
    cwd: app, program: node, ...asUser(),
  });
  expect(await write.ended()).toBe(1);
  expect(write.errors).toContain('EACCES');
});

it('serves, tells its health, and ends with 0 on its signal, without opening a file to write', async () => {
  const host = await startHost();
  const port = String(lastingPort());
  const redis = ['--redis', sharedRedisUrl(), '--key-prefix', uniqueKeyPrefix()];
  const command = run('ENTRYPOINT', ['--hosts', host.name, '--bind', '127.0.0.1', '--port', port, '--log', 'json', ...redis]);
  await command.line(/listening on http/);
  await handshake(`http://127.0.0.1:${port}`);
  const health = run('HEALTHCHECK', [`http://127.0.0.1:${port}/socket.io/`]);
  expect([await health.ended(), health.lines]).toEqual([0, [`http://127.0.0.1:${port}/socket.io/: 400`]]);
  command.signal(lastOf('docker', 'STOPSIGNAL') as NodeJS.Signals);
  expect(await command.ended()).toBe(0);
  expect(errorsOf(command)).toBe('');
});
