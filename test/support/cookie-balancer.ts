import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { onCleanup } from './cleanup';
import { request } from './http';
import { until } from './until';

/** Of an HAProxy that sends a client to the host that its cookie names, and one without a cookie to the next host. */
function configuration(port: number, name: string, hosts: string[]): string {
  return `
global
  nbthread 1
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
listen balancer
  bind 127.0.0.1:${port}
  http-request return status 200 content-type text/plain string ${name} if { path /name }
  balance roundrobin
  # A browser takes a cookie of another site only with both attributes; from a loopback address it needs no TLS.
  cookie HOST insert indirect nocache secure attr "SameSite=None"
${hosts.map((host, i) => `  server host${i} ${host} cookie host${i}`).join('\n')}
`;
}

/** Starts an HAProxy with cookie affinity, and resolves with its URL when it takes connections. */
export async function startCookieBalancer(hosts: string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-'));
  onCleanup(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'haproxy.cfg');
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const url = `http://127.0.0.1:${port}`;
    writeFileSync(file, configuration(port, basename(folder), hosts));
    const child = spawn('haproxy', ['-db', '-q', '-f', file], { stdio: ['ignore', 'ignore', 'inherit'] });
    onCleanup(() => stop(child));
    await once(child, 'spawn');
    const hasExited = (): boolean => child.exitCode !== null;
    await until('haproxy answers', async () => hasExited() || await nameOf(url) === basename(folder));
    if (!hasExited()) return url;
    // Another process has that port: try one more.
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

async function nameOf(url: string): Promise<string | undefined> {
  try {
    return (await request(`${url}/name`)).body;
  } catch {
    return undefined;
  }
}
