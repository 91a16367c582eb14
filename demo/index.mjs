// A proxy on the memory store in front of three Socket.IO servers in processes of their own, and a page that shows
// which of them answers. `PORT` is 4000 unless it is set.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const require = createRequire(import.meta.url);
const { MemoryStore, Proxy } = require('../dist/index.js');

const PORT = Number(process.env.PORT || 4000);
/** How long a server that has ended stays away, in ms. */
const RESTART_DELAY = 3000;

const page = new URL('page.html', import.meta.url);
const client = join(dirname(require.resolve('socket.io-client/package.json')), 'dist', 'socket.io.min.js');
const files = new Map([
  ['/', { type: 'text/html; charset=utf-8', body: readFileSync(page) }],
  ['/client.js', { type: 'text/javascript; charset=utf-8', body: readFileSync(client) }],
]);

/** The servers' processes: all of them, and by host those that listen. */
const processes = new Set();
const running = new Map();
const stopping = new AbortController();
const server = createServer(onRequest);
server.keepAliveTimeout = 75_000;
let proxy;

process.on('SIGINT', () => void stop(0));
process.on('SIGTERM', () => void stop(0));

start().catch((error) => {
  if (stopping.signal.aborted) return;
  const isTaken = error.code === 'EADDRINUSE';
  console.error(isTaken ? `port ${PORT} is taken: choose another, as in PORT=${PORT + 1} npm run demo` : error.message);
  void stop(1);
});

async function start() {
  const hosts = await Promise.all([0, 0, 0].map(startServer));
  if (stopping.signal.aborted) return;

  // The proxy takes what is on /socket.io/; all else stays this server's.
  proxy = new Proxy({ server, store: new MemoryStore(), hosts, checkInterval: 500, drainTimeout: 0 });
  proxy.on('up', (host) => print('up', host));
  proxy.on('down', (host, reason) => print('down', host, reason));
  proxy.on('session', ({ sid, transport, host }) => {
    print('session', `${sid.slice(0, 8)}…`, transport.padEnd(9), host);
  });

  proxy.listen(PORT, 'localhost');
  await once(proxy, 'listening');
  hosts.forEach(printServer);
  console.log(`open http://localhost:${server.address().port}`);
}

/** Ends everything that was started here, so that the process ends by itself. */
async function stop(exitCode) {
  if (stopping.signal.aborted) return;
  stopping.abort();
  process.exitCode = exitCode;
  server.close();
  await proxy?.close();
  server.closeAllConnections();
  for (const child of processes) child.kill();
}

/** Starts a Socket.IO server on the port, or any for 0, and resolves with its host. One that ends starts again. */
async function startServer(port) {
  const child = fork(new URL('server.mjs', import.meta.url), [String(port)]);
  processes.add(child);
  child.once('exit', () => processes.delete(child));
  const [host] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
  if (typeof host !== 'string') throw new Error('a Socket.IO server did not start');
  running.set(host, child);
  child.once('exit', () => void restart(host));
  return host;
}

/** Starts it again on its port: as often as it takes, where another process has that meanwhile. */
async function restart(host) {
  running.delete(host);
  while (!running.has(host)) {
    try {
      await sleep(RESTART_DELAY, undefined, { signal: stopping.signal });
      await startServer(Number(host.split(':')[1]));
      printServer(host);
    } catch (error) {
      if (stopping.signal.aborted) return;
      console.error(`${host}: ${error.message}`);
    }
  }
}

/** The page, its script, and `POST /stop/<host>`, which kills that server. */
function onRequest({ method, url }, res) {
  const file = method === 'GET' && files.get(url);
  const child = method === 'POST' && url.startsWith('/stop/') && running.get(url.slice('/stop/'.length));
  if (file) {
    res.writeHead(200, { 'Content-Type': file.type, 'Content-Length': file.body.length }).end(file.body);
  } else if (child) {
    child.kill('SIGKILL');
    res.writeHead(204).end();
  } else {
    res.writeHead(404, { 'Content-Type': 'text/plain' }).end('Not found\n');
  }
}

function printServer(host) {
  print('server', host, `pid ${running.get(host)?.pid}`);
}

function print(event, ...details) {
  console.log([event.padEnd(7), ...details].join('  '));
}
