// Runs the tests of what depends on the version of Node.js under several, one after the other: those that are given, or
// each that the README names but the one that runs this. The npm package `node` brings the binaries.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { prepare, runJest } from './jest.mjs';
import { NODE_VERSIONS } from './node-versions.mjs';
import { FILES_OF_NODE, TIERS } from './tiers.mjs';

const OWN = process.versions.node.split('.')[0];
const PATH = process.env.PATH;

const wanted = process.argv.slice(2);
const versions = wanted.length > 0 ? wanted : NODE_VERSIONS.filter((version) => version !== OWN);

/** The path of that version's binary, which npm fetches unless it has it already. */
function binaryOf(version) {
  const args = ['exec', '--yes', `--package=node@${version}`, '--', 'node', '-p', 'process.execPath'];
  const { status, stdout, stderr, error } = spawnSync('npm', args, { encoding: 'utf8', shell: process.platform === 'win32' });
  const binary = stdout?.trim().split('\n').at(-1);
  if (status === 0 && binary) return binary;
  const why = error?.message ?? stderr.split('\n').find((line) => /\berror\b/i.test(line)) ?? `it exits with ${status}`;
  console.error(`Node ${version} cannot be had from npm's package 'node' on ${process.platform}-${process.arch}: ${why}`);
  process.exit(1);
}

/** The suite's processes start others by name, npm for one: they are to run on that Node too. */
function test(binary) {
  process.env.PATH = `${dirname(binary)}${delimiter}${PATH}`;
  const { stdout } = spawnSync('node', ['--version'], { encoding: 'utf8' });
  console.log(`\nNode ${stdout.trim()}`);
  return runJest(['--runTestsByPath', ...FILES_OF_NODE], { node: binary });
}

// Jest would say nothing of a file that has another name by now.
const missing = FILES_OF_NODE.filter((path) => !existsSync(new URL(`../${path}`, import.meta.url)));
if (missing.length > 0) {
  console.error(`scripts/tiers.mjs names what is not there: ${missing.join(', ')}`);
  process.exit(1);
}

prepare(TIERS.core.programs);
const binaries = new Map(versions.map((version) => [version, binaryOf(version)]));
const failed = versions.filter((version) => !test(binaries.get(version)));
console.log(`\nTested on Node ${versions.join(', ')}: ${failed.length === 0 ? 'all passed' : `failed on ${failed.join(', ')}`}`);
process.exitCode = failed.length === 0 ? 0 : 1;
