import { spawnSync } from 'node:child_process';

/** The path of a version's binary of Node.js, which the npm package `node` brings. Ends this process if it cannot be had. */
export function binaryOf(version) {
  const args = ['exec', '--yes', `--package=node@${version}`, '--', 'node', '-p', 'process.execPath'];
  const { status, stdout, stderr, error } = spawnSync('npm', args, { encoding: 'utf8', shell: process.platform === 'win32' });
  const binary = stdout?.trim().split('\n').at(-1);
  if (status === 0 && binary) return binary;
  const why = error?.message ?? stderr.split('\n').find((line) => /\berror\b/i.test(line)) ?? `it exits with ${status}`;
  console.error(`Node ${version} cannot be had from npm's package 'node' on ${process.platform}-${process.arch}: ${why}`);
  process.exit(1);
}
