// Writes into docs/security.md who forwards which odd requests, as test/compat/desync.test.ts finds it on this machine.
import { prepare, runJest } from './jest.mjs';

prepare(['redis-server', 'nginx', 'haproxy']);
process.exitCode = runJest(['test/compat/desync.test.ts', '--selectProjects', 'compat'], { env: { DESYNC: 'write' } }) ? 0 : 1;
