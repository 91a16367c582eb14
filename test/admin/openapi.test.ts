import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { MemoryStore, type Session } from '../../src';
import { operatedBefore, pathOf, startOperated, TOKEN, type Operated } from '../support/admin';
import { onCleanup } from '../support/cleanup';
import { startHost } from '../support/hosts';
import { handshake, request, type Reply, type RequestOptions } from '../support/http';
import { Contract, DESCRIPTION } from '../support/openapi';
import { startProxy } from '../support/proxy';
import { openClient, RedisProcess, uniqueKeyPrefix } from '../support/redis';
import { openWebSocket, startSessionHosts, type SessionHost } from '../support/session-host';
import { openStream } from '../support/event-stream';
import { until } from '../support/until';

const contract = new Contract();

/** Without a token and with one: for tests that change nothing there. What bodies are taken: openapi-bodies.test.ts. */
let idle: Operated;
let guarded: Operated;

beforeAll(async () => {
  idle = await startOperated();
  guarded = await startOperated({ admin: { token: TOKEN } });
});

/** Asks, and holds the answer against what is described of the operation. */
async function asked(
  { ask }: Operated, operation: string, what: string, status: number, body?: unknown, options?: RequestOptions,
): Promise<Reply> {
  const reply = await ask(what, body, options);
  expect({ what, status: reply.status, body: reply.body.slice(0, 200) }).toMatchObject({ status });
  contract.check(operation, reply);
  return reply;
}

const codeOf = ({ json }: Reply): unknown => (json() as { code: unknown }).code;

/** A path of the operation, for requests that are refused whatever it names. */
const somePathOf = (operation: string): string =>
  operation.replace('{host}', 'nowhere:1').replace('{sid}', 'none').replace('{file}', 'none');

describe('the description', () => {
  it('is valid OpenAPI 3.1', async () => {
    const script = join(__dirname, '../fixtures/validate-openapi.mjs');
    const { stdout } = await promisify(execFile)(process.execPath, [script, DESCRIPTION]);
    expect(stdout).toBe('');
  });

  it('is served as it stands', async () => {
    const operated = await startOperated();
    const reply = await asked(operated, 'GET /openapi.json', 'GET /openapi.json', 200);
    expect(reply.json()).toEqual(contract.description);
  });
});

describe('every operation', () => {
  it.each(contract.operations)('%s is refused without the token that it needs, and under a name that is not ours', async (operation) => {
    const unknown = await guarded.ask(somePathOf(operation), undefined, { headers: { Authorization: '' } });
    expect(unknown.status === 401).toBe(contract.describes(operation, 401));
    if (unknown.status === 401) contract.check(operation, unknown);
    await asked(guarded, operation, somePathOf(operation), 403, undefined, { headers: { Host: 'evil.example' } });
  });
});

describe('the page', () => {
  it('is served, and not sent again where it is known', async () => {
    const operated = await startOperated();
    for (const [operation, path] of [
      ['GET /', '/'], ['GET /page/{file}', '/page/app.js'], ['GET /uplot/{file}', '/uplot/uPlot.esm.js'],
    ] as const) {
      const { headers } = await asked(operated, operation, `GET ${path}`, 200);
      await asked(operated, operation, `GET ${path}`, 304, undefined, { headers: { 'If-None-Match': headers.etag } });
    }
    await asked(operated, 'GET /page/{file}', 'GET /page/none.js', 404);
    await asked(operated, 'GET /uplot/{file}', 'GET /uplot/none.js', 404);
  });
});

describe('health, readiness and metrics', () => {
  it('are answered', async () => {
    const [host] = await startSessionHosts(1) as [SessionHost];
    const operated = await operatedBefore([host]);
    await asked(operated, 'GET /healthz', 'GET /healthz', 200);
    await asked(operated, 'GET /readyz', 'GET /readyz', 200);
    await asked(operated, 'GET /metrics', 'GET /metrics', 200);
    const fleet = await asked(operated, 'GET /api/fleet', 'GET /api/fleet', 200);
    expect(fleet.json()).toEqual({
      enabled: false, revision: null, reached: false, refused: false, agree: true, members: [],
    });
    operated.proxy.drainHost(host.name);
    const { body } = await asked(operated, 'GET /readyz', 'GET /readyz', 503);
    expect(body).toBe('{"ready":false,"reason":"all hosts that are up are draining or have weight 0"}');
  });
});

describe('hosts', () => {
  const one = 'GET /api/hosts/{host}';

  it('are listed, shown, added, changed and removed', async () => {
    const [first, second] = await startSessionHosts(2) as [SessionHost, SessionHost];
    const operated = await operatedBefore([first]);
    await asked(operated, 'GET /api/hosts', 'GET /api/hosts', 200);
    await asked(operated, one, `GET ${pathOf(first.name)}`, 200);
    const added = await asked(operated, 'POST /api/hosts', 'POST /api/hosts', 201, { host: second.name, weight: 0 });
    expect(added.headers.location).toBe(pathOf(second.name));
    const change = { state: 'draining', deadline: 60_000, movesPerSecond: 2.5, weight: 3 };
    await asked(operated, 'PATCH /api/hosts/{host}', `PATCH ${pathOf(second.name)}`, 200, change);
    await asked(operated, 'DELETE /api/hosts/{host}', `DELETE ${pathOf(second.name)}`, 204);
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const reply = await asked(operated, `${method} /api/hosts/{host}`, `${method} ${pathOf(second.name)}`, 404);
      expect(codeOf(reply)).toBe('HOST_UNKNOWN');
    }
  });

  it('are answered when they are drained, or not in time', async () => {
    const operated = await operatedBefore(await startSessionHosts(1));
    const [host] = operated.proxy.hosts.map((each) => each.host) as [string];
    const waiting = `GET ${pathOf(host)}?wait=drained`;
    expect(codeOf(await asked(operated, one, `${waiting}&timeout=1`, 504))).toBe('NOT_DRAINED');
    const parameters = ['wait=x', 'wait=drained&timeout=0', 'wait=drained&timeout=3600001', 'wait=drained&timeout=', 'timeout=1', 'waits=1',
      'wait=drained&wait=drained'];
    for (const query of parameters) expect(codeOf(await asked(operated, one, `GET ${pathOf(host)}?${query}`, 422))).toBe('INVALID');
    const waits = Array.from({ length: 51 }, () => operated.ask(`${waiting}&timeout=3600000`));
    // Only one of them is answered at once, since as many as may wait do.
    const refused = await Promise.race(waits);
    expect(refused.status).toBe(503);
    contract.check(one, refused);
    operated.proxy.drainHost(host);
    expect((await Promise.all(waits)).filter(({ status }) => status === 200)).toHaveLength(50);
  });

  it('are refused what cannot be done', async () => {
    const [host] = await startSessionHosts(1) as [SessionHost];
    const operated = await operatedBefore([host]);
    await handshake(operated.url);
    const refused = async (what: string, operation: string, status: number, code: string, body?: unknown): Promise<void> => {
      expect(codeOf(await asked(operated, operation, what, status, body))).toBe(code);
    };
    const path = pathOf(host.name);
    await refused('POST /api/hosts', 'POST /api/hosts', 409, 'HOST_EXISTS', { host: host.name });
    await refused('POST /api/hosts', 'POST /api/hosts', 409, 'HOST_EXISTS', { host: `http://${host.name}` });
    await refused('POST /api/hosts', 'POST /api/hosts', 422, 'INVALID', { host: 'nowhere' });
    await refused('POST /api/hosts', 'POST /api/hosts', 413, 'BODY_TOO_LARGE', 'x'.repeat(20_000));
    await refused(`PATCH ${path}`, 'PATCH /api/hosts/{host}', 422, 'INVALID', {});
    await refused(`PATCH ${path}`, 'PATCH /api/hosts/{host}', 413, 'BODY_TOO_LARGE', 'x'.repeat(20_000));
    await refused(`DELETE ${path}`, 'DELETE /api/hosts/{host}', 409, 'SESSIONS_LIVE');
    for (const query of ['force=yes', 'force', 'Force=true', 'force=true&force=true']) {
      await refused(`DELETE ${path}?${query}`, 'DELETE /api/hosts/{host}', 422, 'INVALID');
    }
    for (const query of ['scope=all', 'scope', 'Scope=proxy', 'scope=proxy&scope=proxy']) {
      await refused(`POST /api/hosts?${query}`, 'POST /api/hosts', 422, 'INVALID', { host: '127.0.0.1:2' });
      await refused(`PATCH ${path}?${query}`, 'PATCH /api/hosts/{host}', 422, 'INVALID', { weight: 2 });
      await refused(`DELETE ${path}?force=true&${query}`, 'DELETE /api/hosts/{host}', 422, 'INVALID');
    }
    expect(operated.proxy.hosts).toMatchObject([{ host: host.name, weight: 1 }]);
  });
});

describe('sessions', () => {
  const get = 'GET /api/sessions/{sid}';
  const end = 'DELETE /api/sessions/{sid}';

  it('are shown and ended', async () => {
    const operated = await operatedBefore(await startSessionHosts(1));
    const sid = await handshake(operated.url);
    await asked(operated, get, `GET /api/sessions/${sid}`, 200);
    await asked(operated, end, `DELETE /api/sessions/${sid}`, 204);
    expect(codeOf(await asked(operated, get, `GET /api/sessions/${sid}`, 404))).toBe('ENDED');
    // It is, whoever has done it.
    await asked(operated, end, `DELETE /api/sessions/${sid}`, 204);
    for (const operation of [get, end]) {
      expect(codeOf(await asked(operated, operation, operation.replace('{sid}', 'none'), 404))).toBe('NEVER_SEEN');
    }
  });

  it('are not ended where their WebSocket goes through another proxy', async () => {
    const host = await startHost();
    const store = new MemoryStore();
    const operated = await operatedBefore([host], { store });
    const other = await startProxy({ hosts: [host.name], store });
    const opened = once(other.proxy, 'session') as Promise<[Session]>;
    await openWebSocket(other.url);
    const [{ sid }] = await opened;
    const { body } = await asked(operated, get, `GET /api/sessions/${sid}`, 200);
    expect(JSON.parse(body)).toMatchObject({ host: host.name, from: 'store', age: null, open: null });
    expect(codeOf(await asked(operated, end, `DELETE /api/sessions/${sid}`, 409))).toBe('ELSEWHERE');
  });

  it('cannot be asked for while the store fails', async () => {
    class FailingStore extends MemoryStore {
      override find(): Promise<never> {
        return Promise.reject(new Error('the store is gone'));
      }

      override inspect(): Promise<never> {
        return this.find();
      }
    }
    const operated = await startOperated({ store: new FailingStore() });
    for (const operation of [get, end]) {
      expect(codeOf(await asked(operated, operation, operation.replace('{sid}', 'some'), 503))).toBe('UNAVAILABLE');
    }
  });
});

describe('a rebalance', () => {
  it('is shown, started once, and stopped', async () => {
    const hosts = await startSessionHosts(2) as [SessionHost, SessionHost];
    const operated = await operatedBefore(hosts);
    operated.proxy.setWeight(hosts[1].name, 0);
    for (let i = 0; i < 10; i += 1) await handshake(operated.url);
    operated.proxy.setWeight(hosts[1].name, 1);
    const path = '/api/rebalance';
    const idle = await asked(operated, `GET ${path}`, `GET ${path}`, 200);
    expect(idle.json()).toEqual({ running: false, moved: 0, toMove: 5, spread: 1 });
    await asked(operated, `POST ${path}`, `POST ${path}`, 422, { perMinute: 0 });
    await asked(operated, `POST ${path}`, `POST ${path}`, 413, 'x'.repeat(20_000));
    for (const method of ['POST', 'DELETE']) await asked(operated, `${method} ${path}`, `${method} ${path}?scope=all`, 422);
    const running = await asked(operated, `POST ${path}`, `POST ${path}`, 202, { perMinute: 0.01 });
    expect(running.json()).toEqual({ running: true, moved: 0, toMove: 5, spread: 1 });
    expect(codeOf(await asked(operated, `POST ${path}`, `POST ${path}`, 409))).toBe('REBALANCE_RUNNING');
    await asked(operated, `DELETE ${path}`, `DELETE ${path}`, 204);
  });
});

describe('a rollout', () => {
  const path = '/api/rollout';

  it('is shown, started and stopped', async () => {
    const [old, fresh] = await startSessionHosts(2) as [SessionHost, SessionHost];
    const operated = await operatedBefore([old]);
    expect((await asked(operated, `GET ${path}`, `GET ${path}`, 200)).json()).toBeNull();
    const missing = '127.0.0.1:1';
    const body = { hosts: [fresh.name, { host: missing, weight: 2 }], atLeast: 2, deadline: 60_000, movesPerSecond: 1 };
    const started = await asked(operated, `POST ${path}`, `POST ${path}`, 202, body);
    expect(started.json()).toMatchObject({ old: [old.name], new: [fresh.name, missing], atLeast: 2, draining: false });
    await until('it waits for one', async () => {
      const { waiting } = (await asked(operated, `GET ${path}`, `GET ${path}`, 200)).json() as { waiting: string[] };
      return waiting.join() === missing;
    });
    contract.matches('Hosts', (await openStream(operated.admin).then((stream) => stream.next('hosts'))).data);
    await asked(operated, `POST ${path}`, `POST ${path}`, 413, 'x'.repeat(20_000));
    await asked(operated, `POST ${path}`, `POST ${path}`, 422, { atLeast: 0 });
    await asked(operated, `DELETE ${path}`, `DELETE ${path}?scope=proxy`, 422);
    expect((await asked(operated, `GET ${path}`, `GET ${path}`, 200)).json()).not.toBeNull();
    await asked(operated, `DELETE ${path}`, `DELETE ${path}`, 204);
    expect((await asked(operated, `GET ${path}`, `GET ${path}`, 200)).json()).toBeNull();
  });
});

describe('events', () => {
  it('are as described, and refused where too many streams are open', async () => {
    const operated = await startOperated();
    const streams = await Promise.all(Array.from({ length: 20 }, () => openStream(operated.admin)));
    operated.proxy.addHost('127.0.0.1:2');
    for (const stream of streams) {
      contract.matches('Hosts', (await stream.next('hosts')).data);
      contract.matches('Change', (await stream.next('change')).data);
    }
    const reply = await asked(operated, 'GET /api/events', 'GET /api/events', 503);
    expect(codeOf(reply)).toBe('TOO_MANY_STREAMS');
    const { status, headers } = await request(`${operated.admin}/api/events`, { method: 'HEAD' });
    contract.check('GET /api/events', { ...reply, status, headers, body: '' });
    onCleanup(() => streams.forEach((stream) => stream.end()));
  });
});

describe('what is in no description', () => {
  it.each([
    ['GET /nowhere', 404, 'NOT_FOUND'],
    ['GET /api/hosts/', 404, 'NOT_FOUND'],
    ['GET /api/hosts/a:1/b', 404, 'NOT_FOUND'],
    ['GET //api/hosts', 404, 'NOT_FOUND'],
    ['GET /openapi-json', 404, 'NOT_FOUND'],
    ['GET /api/hosts/%zz', 404, 'NOT_FOUND'],
    ['GET /api/sessions/%ff', 404, 'NOT_FOUND'],
    ['GET /constructor', 404, 'NOT_FOUND'],
    ['PUT /api/hosts', 405, 'METHOD_NOT_ALLOWED'],
    ['OPTIONS /api/hosts', 405, 'METHOD_NOT_ALLOWED'],
    ['POST /metrics', 405, 'METHOD_NOT_ALLOWED'],
    ['DELETE /', 405, 'METHOD_NOT_ALLOWED'],
  ])('%s is answered with %d', async (what, status, code) => {
    const reply = await idle.ask(what);
    expect([reply.status, codeOf(reply)]).toEqual([status, code]);
    contract.matches('Problem', reply.json());
  });

  it('names the methods that there are', async () => {
    const { ask } = await startOperated();
    expect((await ask('PUT /api/hosts')).headers.allow).toBe('GET, HEAD, POST');
    expect((await ask('PUT /api/hosts/a:1')).headers.allow).toBe('GET, HEAD, PATCH, DELETE');
  });
});

describe('a rollout that others would not follow is refused', () => {
  const rollout = (operated: Operated, status: number): Promise<Reply> =>
    asked(operated, 'POST /api/rollout', 'POST /api/rollout', status, { hosts: ['127.0.0.1:1'] });

  it('where they are of another application', async () => {
    const options = { redisClient: await openClient(), keyPrefix: uniqueKeyPrefix(), fleet: true };
    const one = await operatedBefore(await startSessionHosts(1), options);
    const other = await operatedBefore(await startSessionHosts(1), options);
    await until('they know each other', () => [one, other].every(({ proxy }) => proxy.fleet.members.length === 2));
    expect(codeOf(await rollout(one, 409))).toBe('STRANGERS');
  });

  it('where Redis refuses the fleet', async () => {
    const redis = await RedisProcess.start();
    const admin = await openClient(redis.url);
    await admin.sendCommand(['ACL', 'SETUSER', 'proxy', 'on', '>secret', '~*', '+@all', '-eval']);
    const redisClient = await openClient(redis.url.replace('//', '//proxy:secret@'));
    const operated = await operatedBefore(await startSessionHosts(1), { redisClient, fleet: true });
    await until('it is refused', () => operated.proxy.fleet.refused);
    expect(codeOf(await rollout(operated, 503))).toBe('UNAVAILABLE');
  });
});

// The last, since it looks at all before it.
it('answers with all that is described', () => {
  expect(contract.unseen).toEqual([]);
});
