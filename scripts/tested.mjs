// Runs all tests, and writes what they have shown into the README's table.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const JEST = createRequire(import.meta.url).resolve('jest/bin/jest');
const env = { ...process.env, TESTED: 'write' };

process.exitCode = spawnSync(process.execPath, [JEST], { stdio: 'inherit', env }).status ?? 1;
