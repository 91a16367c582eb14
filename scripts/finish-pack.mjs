// Gives each file that is packed the same mode, whatever umask it was checked out and built under: npm writes the modes into
// the package, whose bytes would differ.
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('..', import.meta.url);
const { bin } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));

const { status, stdout, stderr } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
  cwd: fileURLToPath(root), encoding: 'utf8', shell: process.platform === 'win32',
});
if (status !== 0) throw new Error(`npm does not say what it packs: ${stderr}`);
const [{ files }] = JSON.parse(stdout);
for (const { path } of files) chmodSync(new URL(path, root), Object.values(bin).includes(path) ? 0o755 : 0o644);
