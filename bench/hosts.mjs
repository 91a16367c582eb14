import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, isInstalled, start, startProgram } from './processes.mjs';

const OPEN_PACKET =
  '0{"sid":"$request_id","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}';

/**
 * @param options `answerEvery`: the polls that wait are answered so often, in ms.
 * @returns `count` hosts of `responder.mjs`, in one process: they also hold polls and carry WebSockets.
 */
export async function startResponder(count = 3, options = {}) {
  const remote = start('./responder.mjs');
  const ports = await remote.call('start', count, options);
  const [held, release] = ['held', 'release'].map((method) => () => remote.call(method));
  return { kind: 'responder', ports, held, release, end: () => remote.end() };
}

/** @returns `count` hosts that answer handshakes and POSTs: nginx where it is installed, which costs least. */
export async function startHosts(count = 3, { raw = false } = {}) {
  if (raw || !isInstalled('nginx')) return startResponder(count);
  const ports = await freePorts(count);
  const nginx = await startNginx(ports[0], `
    server {
      ${ports.map((port) => `listen 127.0.0.1:${port} backlog=4096;`).join(' ')}
      default_type 'text/plain; charset=UTF-8';
      if ($arg_transport = '') { return 400 '{"code":0,"message":"Transport unknown"}'; }
      if ($arg_sid = '') { return 200 '${OPEN_PACKET}'; }
      return 200 ok;
    }`);
  return { kind: 'nginx', ports, end: () => nginx.end() };
}

/** nginx with one worker, in the foreground, with all that it writes in a folder of its own. */
export async function startNginx(port, http) {
  const folder = mkdtempSync(join(tmpdir(), 'bench-nginx-'));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(folder, name)};`).join(' ');
  const config = join(folder, 'nginx.conf');
  writeFileSync(config, `
    daemon off; worker_processes 1; pid ${join(folder, 'pid')}; error_log stderr error;
    events { worker_connections 16384; }
    http {
      access_log off; ${temporary}
      keepalive_requests 100000000; keepalive_timeout 300s;
      ${http}
    }`);
  return startProgram('nginx', ['-e', 'stderr', '-p', folder, '-c', config], port, folder);
}
