// Runs the tests of what depends on the version of Node.js under several, one after the other: those that are given, or
// each that the README names but the one that runs this. The npm package `node` brings the binaries.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { prepare, runJest } from './jest.mjs';
import { binaryOf } from './node-binary.mjs';
import { NODE_VERSIONS } from './node-versions.mjs';
import { FILES_OF_NODE, TIERS } from './tiers.mjs';

const OWN = process.versions.node.split('.')[0];
const PATH = process.env.PATH;

const wanted = process.argv.slice(2);
const versions = wanted.length > 0 ? wanted : NODE_VERSIONS.filter((version) => version !== OWN);

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
