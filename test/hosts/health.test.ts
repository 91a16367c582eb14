import { EventEmitter, once } from 'node:events';
import net from 'node:net';
import { HealthChecker, type HealthOptions } from '../../src/hosts/health-checker';
import { Host } from '../../src/hosts/host';
import { Hosts } from '../../src/hosts/hosts';
import { onCleanup } from '../support/cleanup';
import { settle, stopClock, type Clock } from '../support/clock';
import { ADDRESS } from '../support/hosts';
import { request, startServer } from '../support/http';
import { startProxy } from '../support/proxy';
import { startMortalHosts, startSessionHost, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

/** In ms. */
const [INTERVAL, TIMEOUT] = [2000, 1000];

type CheckOptions = { unhealthyAfter?: number; healthyAfter?: number } & Partial<Pick<HealthOptions, 'checkPath' | 'checkStatus'>>;

interface Checked {
  hosts: Hosts;
  checker: HealthChecker;
  events: [string, string, string?][];
  /** Lets the interval pass, and resolves once it is known what the next check has found. */
  check: () => Promise<void>;
}

let clock: Clock;

beforeEach(() => {
  clock = stopClock();
});

function checking(names: string[], options: CheckOptions = {}): Checked {
  const resolved = {
    path: '/socket.io/', checkInterval: INTERVAL, checkTimeout: TIMEOUT, hostTls: {}, balance: 'random' as const, slowStart: 0,
    maxSessions: undefined, unhealthyAfter: 1, healthyAfter: 1, checkPath: undefined, checkStatus: undefined, ...options,
  };
  const hosts = new Hosts(names.map((name) => new Host(name)), resolved);
  const found = new EventEmitter();
  const report = hosts.report.bind(hosts);
  hosts.report = (...finding) => {
    report(...finding);
    found.emit('found');
  };
  const events: [string, string, string?][] = [];
  hosts.on('up', ({ name }) => events.push(['up', name]));
  hosts.on('down', ({ name }, reason) => events.push(['down', name, reason]));
  const checker = new HealthChecker(hosts, resolved);
  onCleanup(() => checker.stop());
  const check = async (): Promise<void> => {
    await Promise.all([once(found, 'found'), clock.advance(INTERVAL)]);
  };
  return { hosts, checker, events, check };
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
  const host = await startSessionHost();
  const failing = await startServer((_, res) => res.writeHead(503).end());
  const silent = await silentServer();
  const { checker, events } = checking([host.name, '127.0.0.1:1', silent, failing.name]);
  const starting = checker.start();
  await until('the others are known', () => events.length === 3);
  await clock.advance(TIMEOUT);
  await starting;
  expect(events.sort()).toEqual([
    ['up', host.name],
    ['down', '127.0.0.1:1', 'refused'],
    ['down', silent, 'silent'],
    ['down', failing.name, 'failing'],
  ].sort());
});

it('takes every answer below 500 for a sign of life', async () => {
  const { name, answer } = await scriptedHost();
  const { hosts, checker, check } = checking([name]);
  await checker.start();
  for (const status of [500, 200, 599, 204, 301, 400, 404, 426, 499]) {
    answer(status);
    await check();
    expect([status, hosts.get(name)?.up]).toEqual([status, status < 500]);
  }
});

it('marks a host down when it is gone, and up when it is back', async () => {
  const [host] = await startMortalHosts(1) as [SessionHost];
  const { hosts, checker, events, check } = checking([host.name]);
  await checker.start();
  await host.stop();
  await check();
  expect([events.at(-1), hosts.open]).toEqual([['down', host.name, 'refused'], false]);
  await host.start({ host: ADDRESS, port: host.port });
  await check();
  expect(events.at(-1)).toEqual(['up', host.name]);
});

it('marks a host down that is silent for checkTimeout, and up when it goes on', async () => {
  const { name, asked, answer } = await scriptedHost();
  const { checker, events, check } = checking([name]);
  await checker.start();
  answer('silence');
  await Promise.all([once(asked, 'asked'), clock.advance(INTERVAL)]);
  await clock.advance(TIMEOUT - 1);
  expect(events).toEqual([['up', name]]);
  await clock.advance(1);
  expect(events.slice(1)).toEqual([['down', name, 'silent']]);
  answer(400);
  await check();
  expect(events.at(-1)).toEqual(['up', name]);
});

it('finds nothing in a probe that it calls off when it stops', async () => {
  const { name, asked, answer } = await scriptedHost();
  answer(500);
  const { checker, events } = checking([name]);
  await checker.start();
  answer('silence');
  await Promise.all([once(asked, 'asked'), clock.advance(INTERVAL)]);
  checker.stop();
  await clock.advance(10 * TIMEOUT);
  await settle();
  expect(events).toEqual([['down', name, 'failing']]);
});

it.each([
  ['unhealthyAfter failures in a row before a host that was up is down', { unhealthyAfter: 3 }, 400, 500, 'down'],
  ['healthyAfter successes in a row before a host that was down is up', { healthyAfter: 3 }, 500, 400, 'up'],
])('needs %s', async (_, options, first, other, expected) => {
  const { name, answer } = await scriptedHost();
  answer(first);
  const { checker, events, check } = checking([name], options);
  await checker.start();
  for (const status of [other, other, first, other, first, other, other]) {
    answer(status);
    await check();
  }
  expect(events).toHaveLength(1);
  await check();
  expect(events.slice(1)).toEqual([expected === 'up' ? ['up', name] : ['down', name, 'failing']]);
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
  const { proxy, url } = await startProxy({ hosts: [name] });
  const downs: unknown[] = [];
  proxy.on('down', (...down) => downs.push(down));
  await once(proxy, 'up');
  const probe = async (): Promise<void> => {
    const before = probes;
    await clock.advance(2000);
    await until('it is asked', () => probes > before);
  };
  for (let i = 0; i < 3; i += 1) {
    await probe();
    await clock.advance(500);
    expect((await request(`${url}/socket.io/file`)).body).toBe('ok');
    await clock.advance(500);
  }
  expect(downs).toEqual([]);
  // Once it answers nothing, it is down.
  await probe();
  await clock.advance(1000);
  expect(downs).toEqual([[name, 'silent']]);
});

it('goes to a host at its path, and opens no session there', async () => {
  const urls: (string | undefined)[] = [];
  const { name } = await startServer((req, res) => {
    urls.push(req.url);
    res.writeHead(400).end();
  });
  const { proxy } = await startProxy({ hosts: [name], path: '/chat' });
  await once(proxy, 'up');
  // Engine.IO opens one only where a transport is named.
  expect(urls).toEqual(['/chat/']);
});

it('tells of hosts by events of the proxy, by their names in hosts', async () => {
  const [host] = await startMortalHosts(1) as [SessionHost];
  const { proxy } = await startProxy({ hosts: [`http://${host.name}`] });
  expect(await once(proxy, 'up')).toEqual([`http://${host.name}`]);
  const down = once(proxy, 'down');
  await host.stop();
  await clock.advance(2000);
  expect(await down).toEqual([`http://${host.name}`, 'refused']);
});
