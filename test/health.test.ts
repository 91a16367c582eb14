import { EventEmitter, once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { HealthChecker } from '../src/health-checker';
import { Host } from '../src/host';
import { Hosts } from '../src/hosts';
import { onCleanup } from './support/cleanup';
import { startHost } from './support/hosts';
import { request, startServer } from './support/http';
import { startProxy } from './support/proxy';
import { until } from './support/until';

interface CheckOptions {
  checkInterval?: number;
  checkTimeout?: number;
  unhealthyAfter?: number;
  healthyAfter?: number;
}

interface Checked {
  hosts: Hosts;
  checker: HealthChecker;
  events: [string, string, string?][];
}

/** Where no check is to fail for want of an answer, it may take as long as a busy machine takes. */
function check(names: string[], options: CheckOptions = {}): Checked {
  const defaults = { path: '/socket.io/', checkInterval: 20, checkTimeout: 10_000, unhealthyAfter: 1, healthyAfter: 1, hostTls: {} };
  const resolved = { ...defaults, ...options, balance: 'random' as const, slowStart: 0 };
  const hosts = new Hosts(names.map((name) => new Host(name)), resolved);
  const events: [string, string, string?][] = [];
  hosts.on('up', ({ name }) => events.push(['up', name]));
  hosts.on('down', ({ name }, reason) => events.push(['down', name, reason]));
  const checker = new HealthChecker(hosts, resolved);
  onCleanup(() => checker.stop());
  return { hosts, checker, events };
}

/** A server that takes connections, and never answers. */
async function silentServer(): Promise<string> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanup(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

/** A host whose answer to each health check the test decides; `asked` is emitted for each. */
async function scriptedHost(): Promise<{ name: string; asked: EventEmitter; answer: (status: number | 'silence') => void }> {
  const asked = new EventEmitter();
  let next: number | 'silence' = 400;
  const { name } = await startServer((_, res) => {
    if (next !== 'silence') res.writeHead(next).end();
    asked.emit('asked');
  });
  return { name, asked, answer: (status) => next = status };
}

it('knows after the first round which hosts are up, and why the others are not', async () => {
  const host = await startHost();
  const failing = await startServer((_, res) => res.writeHead(503).end());
  const silent = await silentServer();
  // For as long as it waits for the one that is silent, the one that is up may take too.
  const { checker, events } = check([host.name, '127.0.0.1:1', silent, failing.name], { checkTimeout: 1500 });
  const started = performance.now();
  await checker.start();
  expect(performance.now() - started).toBeLessThan(10_000);
  expect(events.sort()).toEqual([
    ['up', host.name],
    ['down', '127.0.0.1:1', 'refused'],
    ['down', silent, 'silent'],
    ['down', failing.name, 'failing'],
  ].sort());
});

it('takes every answer below 500 for a sign of life', async () => {
  const { name, asked, answer } = await scriptedHost();
  const { hosts, checker } = check([name]);
  await checker.start();
  for (const status of [200, 204, 301, 400, 404, 426]) {
    answer(status);
    await once(asked, 'asked');
    await once(asked, 'asked');
    expect(hosts.get(name)?.up).toBe(true);
  }
});

it('marks a host down when it is killed, and up when it is back', async () => {
  const host = await startHost();
  const { port } = host;
  const { hosts, checker } = check([host.name]);
  await checker.start();
  const down = once(hosts, 'down');
  await host.kill();
  // A check that was under way is cut; the next is refused.
  expect(['refused', 'failing']).toContain((await down)[1]);
  expect(hosts.open).toBe(false);
  const up = once(hosts, 'up');
  await startHost({ port });
  await up;
  expect(hosts.get(host.name)?.up).toBe(true);
});

it('marks a host down that is frozen, within checkTimeout, and up when it goes on', async () => {
  const host = await startHost();
  const { hosts, checker } = check([host.name], { checkTimeout: 500 });
  await checker.start();
  const isUp = (): unknown => hosts.get(host.name)?.up;
  // On a busy machine it may be too slow for a check now and then.
  await until('it is up', isUp);
  const down = once(hosts, 'down');
  host.freeze();
  expect((await down)[1]).toBe('silent');
  host.thaw();
  await until('it is up again', isUp);
});

it('finds nothing in a probe that it calls off when it stops', async () => {
  const { name, asked, answer } = await scriptedHost();
  answer(500);
  const { checker, events } = check([name]);
  await checker.start();
  answer('silence');
  await once(asked, 'asked');
  checker.stop();
  await sleep(0);
  expect(events).toEqual([['down', name, 'failing']]);
});

it('needs unhealthyAfter failures in a row, so that one slow probe among good ones changes nothing', async () => {
  const { name, asked, answer } = await scriptedHost();
  const { hosts, checker, events } = check([name], { checkTimeout: 400, unhealthyAfter: 3 });
  await checker.start();
  for (let i = 0; i < 3; i += 1) {
    answer('silence');
    await once(asked, 'asked');
    await once(asked, 'asked');
    answer(400);
    await once(asked, 'asked');
  }
  expect(events).toEqual([['up', name]]);
  const down = once(hosts, 'down');
  answer('silence');
  await down;
});

it('needs healthyAfter successes in a row before a host that was down is up', async () => {
  const { name, asked, answer } = await scriptedHost();
  answer(500);
  const { hosts, checker, events } = check([name], { healthyAfter: 3 });
  await checker.start();
  for (let i = 0; i < 3; i += 1) {
    answer(400);
    await once(asked, 'asked');
    await once(asked, 'asked');
    answer(500);
    await once(asked, 'asked');
  }
  expect(events).toEqual([['down', name, 'failing']]);
  const up = once(hosts, 'up');
  answer(400);
  await up;
});

it('does not mark a host down that answers requests while its probes hang: it is only busy', async () => {
  let probes = 0;
  const { name } = await startServer((req, res) => {
    if ((req.url ?? '').includes('file')) {
      res.end('ok');
      return;
    }
    // The first is answered, so that the host is up; no other is.
    probes += 1;
    if (probes === 1) res.writeHead(400).end();
  });
  const { proxy, url } = await startProxy({ hosts: [name], checkInterval: 20, checkTimeout: 400 });
  const downs: string[] = [];
  proxy.on('down', (host, reason) => downs.push(`${host} ${reason}`));
  while (probes < 4) {
    expect((await request(`${url}/socket.io/file`)).body).toBe('ok');
    await sleep(10);
  }
  expect(downs).toEqual([]);
  // Once it answers nothing, it is down.
  await once(proxy, 'down');
  expect(downs).toEqual([`${name} silent`]);
});

it('goes to a host at its path, and opens no session there', async () => {
  const host = await startHost({ path: '/chat/' });
  const { proxy } = await startProxy({ hosts: [host.name], path: '/chat', checkInterval: 10 });
  await once(proxy, 'up');
  const urls: (string | undefined)[] = [];
  const { name } = await startServer((req, res) => {
    urls.push(req.url);
    res.writeHead(400).end();
  });
  const { checker } = check([name]);
  await checker.start();
  expect(urls).toEqual(['/socket.io/']);
  expect(await host.call('clientsCount')).toBe(0);
});

it('tells of hosts by events of the proxy, by their names in hosts', async () => {
  const host = await startHost();
  const { proxy } = await startProxy({ hosts: [`http://${host.name}`], checkInterval: 20 });
  expect(await once(proxy, 'up')).toEqual([`http://${host.name}`]);
  const down = once(proxy, 'down');
  await host.kill();
  const [name, reason] = await down as [string, string];
  expect(name).toBe(`http://${host.name}`);
  // A check that was under way is cut; the next is refused.
  expect(['refused', 'failing']).toContain(reason);
});
