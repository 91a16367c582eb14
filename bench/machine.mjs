import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import { join } from 'node:path';
import { versionOf } from './processes.mjs';

const require = createRequire(import.meta.url);

export function describeMachine() {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memory: `${(os.totalmem() / 2 ** 30).toFixed(1)} GiB`,
    kernel: `${os.type()} ${os.release()} ${os.arch()}`,
    load: os.loadavg().map((value) => Number(value.toFixed(2))),
  };
}

export function describeVersions() {
  const packages = ['http-proxy', 'redis', 'lru-cache', 'http-proxy-3', 'httpxy', '@socket.io/sticky'];
  return {
    'socket.io-proxy2': JSON.parse(readFileSync(new URL('../package.json', import.meta.url))).version,
    node: process.version,
    ...Object.fromEntries(packages.map((name) => [name, packageVersion(name)])),
    nginx: /nginx\/([\d.]+)/.exec(versionOf('nginx') ?? '')?.[1],
    HAProxy: /version ([\d.]+)/.exec(versionOf('haproxy') ?? '')?.[1],
    redis_server: /v=([\d.]+)/.exec(versionOf('redis-server', ['--version']) ?? '')?.[1],
  };
}

/** `exports` may hide a package's `package.json` from `require`: it is looked for above the file that is resolved. */
function packageVersion(name) {
  for (const base of require.resolve.paths(name) ?? []) {
    try {
      return JSON.parse(readFileSync(join(base, name, 'package.json'), 'utf8')).version;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}
