import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** What is done with a proxy in each, whose listener throws, and what that comes to. */
const CASES: [what: string, event: string, body: string, result: unknown][] = [
  ...['up', 'session', 'access', 'listening'].map((event): (typeof CASES)[number] => [
    'serves a client', event, 'return get(await start());', [200, '0{"sid":"abc","pingInterval":1,"pingTimeout":1}'],
  ]),
  ...['closing', 'close'].map((event): (typeof CASES)[number] => [
    'closes', event, 'await start(); await proxy.close(); return proxy.server.listening;', false,
  ]),
  ['closes', 'callback', 'await start(); await proxy.close(() => { throw new Error("callback"); }); return proxy.server.listening;', false],
  ...['added', 'draining', 'drained', 'undrained', 'removed'].map((event): (typeof CASES)[number] => ['does what was asked', event, `
    await start();
    proxy.addHost('127.0.0.1:1');
    proxy.drainHost('127.0.0.1:1');
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    proxy.undrainHost('127.0.0.1:1');
    proxy.removeHost('127.0.0.1:1');
    return proxy.hosts.length;
  `, 1]),
];

/** One after the other in a process of their own, whose uncaught exceptions are told: the message and whose it was. */
const PROGRAM = `
  const { once } = require('node:events');
  const http = require('node:http');
  const { Proxy, MemoryStore } = require(${JSON.stringify(join(__dirname, '..', 'dist'))});
  let uncaught = [];
  process.on('uncaughtException', (error, origin) => uncaught.push([error.message, origin]));
  const get = async (url) => {
    const [response] = await once(http.get(url), 'response');
    let text = '';
    for await (const chunk of response) text += chunk;
    return [response.statusCode, text];
  };
  const run = async (host, event, body) => {
    uncaught = [];
    const proxy = new Proxy({ hosts: [host], store: new MemoryStore(), drainTimeout: 0 });
    proxy.on(event, () => { throw new Error(event); });
    const start = async () => {
      proxy.listen(0, '127.0.0.1');
      await once(proxy.server, 'listening');
      return 'http://127.0.0.1:' + proxy.server.address().port + '/socket.io/?EIO=4&transport=polling';
    };
    const result = await body(proxy, start, get);
    while (uncaught.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const told = uncaught;
    proxy.removeAllListeners();
    await proxy.close();
    return { result, uncaught: told };
  };
  (async () => {
    const server = http.createServer((req, res) => {
      res.end(req.url.includes('transport=polling') ? '0{"sid":"abc","pingInterval":1,"pingTimeout":1}' : 'ok');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const host = '127.0.0.1:' + server.address().port;
    const cases = [${CASES.map(([, event, body]) => `['${event}', async (proxy, start, get) => { ${body} }]`).join()}];
    const results = {};
    for (const [event, body] of cases) results[event] = await run(host, event, body);
    console.log(JSON.stringify(results));
    process.exit(0);
  })();
`;

let results: Record<string, unknown>;

beforeAll(async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', PROGRAM]);
  results = JSON.parse(stdout) as typeof results;
});

it.each(CASES)('%s though a listener throws, which is uncaught: %s', (_, event, __, result) => {
  expect(results[event]).toEqual({ result, uncaught: [[event, 'uncaughtException']] });
});
