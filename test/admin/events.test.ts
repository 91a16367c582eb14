import { operatedBefore, startOperated, type Operated } from '../support/admin';
import { settle, stopClock } from '../support/clock';
import { openStream, type EventStream } from '../support/event-stream';
import { handshake, request } from '../support/http';
import type { ProxyInstance } from '../support/proxy';
import { openClient, uniqueKeyPrefix } from '../support/redis';
import { startMortalHosts, startSessionHosts, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

interface Change {
  time: string;
  type: string;
  host: string | null;
  member: string | null;
  message: string;
}

interface Hosts {
  hosts: { host: string; latency: number | null; sessions: number; totals: { handshakes: number } }[];
  summary: { ready: { ready: boolean; reason: string | null } };
}

const hostsOf = async (stream: EventStream): Promise<Hosts> => (await stream.next('hosts')).data as Hosts;

/** Those that come before the hosts are told. */
async function changesOf(operated: Operated, lastId?: string): Promise<string[]> {
  const stream = await openStream(operated.admin, lastId === undefined ? {} : { 'Last-Event-ID': lastId });
  await stream.next('hosts');
  const changes = stream.waiting.map(({ data }) => (data as Change).message);
  stream.end();
  return changes;
}

const HOST = '127.0.0.1:1';

/** Before a host that is down, of which nothing more is to be told by itself. */
async function startQuiet(): Promise<Operated> {
  const operated = await startOperated({ hosts: [HOST] });
  await until('it is down', () => operated.proxy.hosts[0]?.state === 'down');
  return operated;
}

/** Two changes each time, as they are told: too short a time to be drained. */
function change(proxy: ProxyInstance, times = 1): string[] {
  return Array.from({ length: times }, () => {
    proxy.drainHost(HOST);
    proxy.undrainHost(HOST);
    return [`${HOST} gets no new session`, `${HOST} gets new sessions again`];
  }).flat();
}

it('tells of the hosts at once and each second, with the latency of what was answered in between', async () => {
  const clock = stopClock();
  const [host] = await startSessionHosts(1) as [SessionHost];
  const operated = await operatedBefore([host]);
  await handshake(operated.url);
  const stream = await openStream(operated.admin);
  const [first] = (await hostsOf(stream)).hosts;
  expect(first).toMatchObject({ host: host.name, sessions: 1, totals: { handshakes: 1 }, latency: expect.any(Number) as number });
  await clock.advance(999);
  await settle();
  expect(stream.waiting.filter(({ type }) => type === 'hosts')).toEqual([]);
  await clock.advance(1);
  expect((await hostsOf(stream)).hosts).toMatchObject([{ sessions: 1, totals: { handshakes: 1 }, latency: null }]);
  await handshake(operated.url);
  await clock.advance(1000);
  expect((await hostsOf(stream)).hosts).toMatchObject([{ totals: { handshakes: 2 }, latency: expect.any(Number) as number }]);
  // Another reader hears at once, too, how it has been lately.
  expect((await hostsOf(await openStream(operated.admin))).hosts).toMatchObject([{ totals: { handshakes: 2 }, latency: null }]);
});

it('tells of all that was answered where nobody has listened for a while', async () => {
  const clock = stopClock();
  const [host] = await startSessionHosts(1) as [SessionHost];
  const operated = await operatedBefore([host]);
  await handshake(operated.url);
  const stream = await openStream(operated.admin);
  await hostsOf(stream);
  await clock.advance(1000);
  expect((await hostsOf(stream)).hosts).toMatchObject([{ latency: null }]);
  stream.end();
  await until('it is forgotten what was told', async () => {
    const next = await openStream(operated.admin);
    const [told] = (await hostsOf(next)).hosts;
    next.end();
    return told?.latency !== null;
  });
});

it('tells no latency of a host that has begun anew', async () => {
  const clock = stopClock();
  const [host] = await startSessionHosts(1) as [SessionHost];
  const operated = await operatedBefore([host]);
  await handshake(operated.url);
  const stream = await openStream(operated.admin);
  await hostsOf(stream);
  operated.proxy.removeHost(host.name);
  operated.proxy.addHost(host.name);
  await clock.advance(1000);
  expect((await hostsOf(stream)).hosts).toMatchObject([{ totals: { handshakes: 0 }, latency: null }]);
});

it('is no answer that is kept or taken for something else', async () => {
  const { admin } = await startOperated();
  const { headers } = await openStream(admin);
  expect(headers).toMatchObject({ 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
});

it('tells of what happens as it happens', async () => {
  const clock = stopClock();
  const [host] = await startMortalHosts(1) as [SessionHost];
  const operated = await operatedBefore([host]);
  const stream = await openStream(operated.admin);
  const next = async (type: string): Promise<Change> => {
    for (;;) {
      const change = (await stream.next('change')).data as Change;
      if (change.type === type) return change;
    }
  };
  expect(await next('up')).toMatchObject({ host: host.name, message: `${host.name} is up` });
  await operated.ask(`PATCH /api/hosts/${host.name}`, { state: 'draining' });
  expect(await next('draining')).toMatchObject({ host: host.name });
  expect(await next('drained')).toMatchObject({ host: host.name });
  await host.stop();
  await clock.advance(20);
  const time = new Date(jest.now()).toISOString();
  expect(await next('down')).toEqual({ time, type: 'down', host: host.name, member: null, message: `${host.name} is down: refused` });
});

it('names the member of the fleet that it is about', async () => {
  const options = { redisClient: await openClient(), keyPrefix: uniqueKeyPrefix(), fleet: true };
  // Members of other tests use the same Redis, and are of this fleet if they have one of its hosts.
  const hosts = (await startSessionHosts(1)).map(({ name }) => name);
  const one = await startOperated({ hosts, ...options });
  const stream = await openStream(one.admin);
  const next = async (type: string): Promise<Change> => {
    for (;;) {
      const change = (await stream.next('change')).data as Change;
      if (change.type === type) return change;
    }
  };
  const { proxy } = await startOperated({ hosts, path: '/other/', ...options });
  const { host, member, message } = await next('joined');
  expect([host, message]).toEqual([null, `proxy ${member} has joined the fleet`]);
  await until('it knows itself', () => proxy.fleet.members.length > 0);
  expect(member).toBe(proxy.fleet.members[0]?.id);
  expect(await next('disagree')).toMatchObject({ host: null, member });
  await proxy.close();
  expect(await next('left')).toMatchObject({ host: null, member });
});

it('tells those who come later of the last 100 changes, in their order', async () => {
  const operated = await startQuiet();
  expect(await changesOf(operated)).toEqual([`${HOST} is down: refused`]);
  expect(await changesOf(operated)).toHaveLength(1);
  const told = change(operated.proxy, 49);
  expect(await changesOf(operated)).toEqual([`${HOST} is down: refused`, ...told]);
  told.push(...change(operated.proxy, 3));
  expect(await changesOf(operated)).toEqual(told.slice(-100));
});

it('leaves out what was seen', async () => {
  const operated = await startQuiet();
  const stream = await openStream(operated.admin);
  const { id: first } = await stream.next('change');
  const [draining, undrained] = change(operated.proxy);
  const { id: second } = await stream.next('change');
  expect(new Set([first, second, undefined]).size).toBe(3);
  expect(await changesOf(operated, first)).toEqual([draining, undrained]);
  expect(await changesOf(operated, second)).toEqual([undrained]);
});

it.each<[what: string, idOf: (id: string) => string]>([
  ['of another process', (id) => id.replace(/^[^-]+/, '0')],
  ['that is malformed', (id) => `${id}x`],
  ['that is empty', () => ''],
])('tells all to a reader with an id %s', async (_, idOf) => {
  const operated = await startQuiet();
  const stream = await openStream(operated.admin);
  const { id = '' } = await stream.next('change');
  expect(await changesOf(operated, idOf(id))).toHaveLength(1);
  expect(await changesOf(operated, id)).toHaveLength(0);
});

it('has room again for a stream when one has ended', async () => {
  const { admin } = await startOperated();
  const streams = await Promise.all(Array.from({ length: 20 }, () => openStream(admin)));
  expect((await request(`${admin}/api/events`)).status).toBe(503);
  streams[0]?.end();
  await until('there is room', () => openStream(admin).then(() => true, () => false));
  expect((await request(`${admin}/api/events`)).headers['retry-after']).toBe('5');
});

it('drops a reader for whom more than 1 MiB waits, and no other', async () => {
  const name = `http://${Array.from({ length: 4 }, () => 'h'.repeat(60)).join('.')}:80`;
  const { proxy, admin } = await startOperated();
  proxy.addHost(name);
  const [slow, quick] = [await openStream(admin), await openStream(admin)];
  slow.pause();
  let told = 0;
  for (const event of ['draining', 'undrained'] as const) proxy.on(event, () => (told += 1));
  const heard = (): number => quick.waiting.filter(({ data }) => ['draining', 'undrained'].includes((data as Change).type)).length;
  // What the kernel keeps for it, and the server, may be 10 MB or more.
  while (told < 30_000) {
    for (let i = 0; i < 300; i += 1) {
      proxy.drainHost(name);
      proxy.undrainHost(name);
    }
    await until('the quick one has heard', () => heard() === told);
  }
  slow.resume();
  await slow.ended();
  proxy.drainHost(name);
  await until('the quick one hears', () => heard() === told);
});

it('tells that the proxy closes, and ends', async () => {
  const { proxy, admin } = await startOperated();
  const stream = await openStream(admin);
  const closed = proxy.close();
  expect((await stream.next('change')).data).toMatchObject({ type: expect.stringMatching(/closing|down/) as string });
  await closed;
  await stream.ended();
});
