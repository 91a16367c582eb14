import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { MemoryStore } from '../../src';
import { handshake, pollUrl, request, type Reply } from '../support/http';
import { operatedBefore, pathOf, type Operated } from '../support/admin';
import { before, startSessionHosts, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

let host: SessionHost;
let operated: Operated;
let sid: string;

beforeEach(async () => {
  [host] = await startSessionHosts(1) as [SessionHost];
  operated = await operatedBefore([host]);
  sid = await handshake(operated.url);
});

const wait = (timeout = 3_600_000): Promise<Reply> => operated.ask(`GET ${pathOf(host.name)}?wait=drained&timeout=${timeout}`);
const codeOf = ({ body }: Reply): unknown => (JSON.parse(body) as { code: unknown }).code;

/** Resolves when the next request that waits is about to be handled. */
function arrival(): Promise<void> {
  const name = 'http.server.request.start';
  return new Promise((resolve) => {
    const look = (message: unknown): void => {
      const request: unknown = Reflect.get(Object(message), 'request');
      if (!String(Reflect.get(Object(request), 'url')).includes('wait=')) return;
      unsubscribe(name, look);
      setImmediate(resolve);
    };
    subscribe(name, look);
  });
}

/** Begins to wait, and resolves when the admin server knows. */
async function waiting(): Promise<{ answer: Promise<Reply>; isAnswered: () => boolean }> {
  let isAnswered = false;
  const arrived = arrival();
  const answer = wait().finally(() => isAnswered = true);
  await arrived;
  return { answer, isAnswered: () => isAnswered };
}

it('answers when the last session of a draining host has ended', async () => {
  const { answer, isAnswered } = await waiting();
  operated.proxy.drainHost(host.name);
  await operated.ask('GET /api/hosts');
  expect(isAnswered()).toBe(false);
  expect(JSON.parse((await operated.ask(`GET ${pathOf(host.name)}`)).body)).toMatchObject({ state: 'draining', drained: false });
  await operated.proxy.endSession(sid);
  const { status, body } = await answer;
  expect([status, JSON.parse(body)]).toEqual([200, expect.objectContaining({ host: host.name, drained: true, sessions: 0 })]);
  // From then on at once.
  expect((await wait(1)).status).toBe(200);
});

it('answers where a session came late to a host that was drained, and has ended', async () => {
  const store = new MemoryStore();
  operated = await operatedBefore([host], { store });
  const other = await before([host], { store });
  const drained = once(operated.proxy, 'drained');
  operated.proxy.drainHost(host.name);
  await drained;
  sid = await handshake(other.url);
  await request(pollUrl(operated.url, sid), { method: 'POST', body: '2' });
  const { answer, isAnswered } = await waiting();
  expect([operated.proxy.hosts[0]?.sessions, isAnswered()]).toEqual([1, false]);
  await operated.proxy.endSession(sid);
  expect((await answer).status).toBe(200);
});

it('says why not, when the time is over', async () => {
  expect(JSON.parse((await wait(1)).body)).toEqual({ code: 'NOT_DRAINED', message: `the host '${host.name}' is not draining` });
  operated.proxy.drainHost(host.name);
  expect(JSON.parse((await wait(1)).body))
    .toEqual({ code: 'NOT_DRAINED', message: `the host '${host.name}' is not drained yet: 1 sessions, 0 WebSockets` });
});

it('answers when the host is removed, or the proxy closes', async () => {
  const first = await waiting();
  operated.proxy.removeHost(host.name);
  expect(codeOf(await first.answer)).toBe('HOST_UNKNOWN');
  operated.proxy.addHost(host.name);
  const second = await waiting();
  const closed = operated.proxy.close();
  expect(codeOf(await second.answer)).toBe('UNAVAILABLE');
  await closed;
});

it('waits no more for a client that has gone', async () => {
  const path = `GET ${pathOf(host.name)}?wait=drained&timeout=3600000`;
  // Some may be refused, for those that look.
  const aborts = Array.from({ length: 60 }, () => new AbortController());
  const gone = aborts.map(({ signal }) => operated.ask(path, undefined, { signal }).catch(() => 'gone'));
  await until('no more may wait', async () => (await wait(1)).status === 503);
  for (const abort of aborts) abort.abort();
  expect(await Promise.all(gone)).toContain('gone');
  await until('another one may', async () => (await wait(1)).status === 504);
});
