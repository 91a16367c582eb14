import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** In a process of its own, whose uncaught exceptions are told: of each, the message and whose it was. */
async function run(body: string): Promise<unknown> {
  const program = `
    const { once } = require('node:events');
    const http = require('node:http');
    const { Proxy, MemoryStore } = require(${JSON.stringify(join(__dirname, '..', 'dist'))});
    const uncaught = [];
    process.on('uncaughtException', (error, origin) => uncaught.push([error.message, origin]));
    const until = async (condition) => {
      while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    const get = async (url) => {
      const [response] = await once(http.get(url), 'response');
      let text = '';
      for await (const chunk of response) text += chunk;
      return [response.statusCode, text];
    };
    (async () => {
      const host = http.createServer((req, res) => {
        res.end(req.url.includes('transport=polling') ? '0{"sid":"abc","pingInterval":1,"pingTimeout":1}' : 'ok');
      }).listen(0, '127.0.0.1');
      await once(host, 'listening');
      const name = '127.0.0.1:' + host.address().port;
      const proxy = new Proxy({ hosts: [name], store: new MemoryStore(), drainTimeout: 0 });
      const start = async () => {
        proxy.listen(0, '127.0.0.1');
        await once(proxy.server, 'listening');
        return 'http://127.0.0.1:' + proxy.server.address().port + '/socket.io/?EIO=4&transport=polling';
      };
      const result = await (async () => { ${body} })();
      await until(() => uncaught.length > 0);
      console.log(JSON.stringify({ result, uncaught }));
      process.exit(0);
    })().catch((error) => {
      console.error(error);
      process.exit(1);
    });
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', program], { timeout: 20_000 });
  return JSON.parse(stdout);
}

const boom = (event: string): string => `proxy.on('${event}', () => { throw new Error('${event}'); });`;

it.each(['up', 'session', 'access', 'listening'])('serves a client though a listener throws, which is uncaught: %s', async (event) => {
  expect(await run(`${boom(event)} return get(await start());`)).toEqual({
    result: [200, expect.stringMatching(/^0\{/)], uncaught: [[event, 'uncaughtException']],
  });
});

it.each(['closing', 'close'])('closes though a listener throws: %s', async (event) => {
  expect(await run(`await start(); ${boom(event)} await proxy.close(); return proxy.server.listening;`)).toEqual({
    result: false, uncaught: [[event, 'uncaughtException']],
  });
});

it('calls back that it is closed, and what that throws is uncaught', async () => {
  expect(await run('await start(); await proxy.close(() => { throw new Error("callback"); });')).toEqual({
    uncaught: [['callback', 'uncaughtException']],
  });
});

it.each(['added', 'draining', 'drained', 'undrained', 'removed'])('does what was asked though a listener throws: %s', async (event) => {
  expect(await run(`
    await start();
    ${boom(event)}
    proxy.addHost('127.0.0.1:1');
    proxy.drainHost('127.0.0.1:1');
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    proxy.undrainHost('127.0.0.1:1');
    proxy.removeHost('127.0.0.1:1');
    return proxy.hosts.length;
  `)).toEqual({ result: 1, uncaught: [[event, 'uncaughtException']] });
});
