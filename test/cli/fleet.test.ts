import { randomBytes } from 'node:crypto';
import { startHost } from '../support/hosts';
import { handshake, pollUrl, request } from '../support/http';
import { openClient, sharedRedisUrl, uniqueKeyPrefix, type TestClient } from '../support/redis';
import { startSessionHosts } from '../support/session-host';
import { until } from '../support/until';
import { WorkersCommand } from '../support/workers';

interface Started {
  command: WorkersCommand;
  url: string;
  /** Asks its admin server. */
  ask: (path: string, method?: string, body?: object) => Promise<{ status: number; json: unknown }>;
}

interface FleetJson {
  enabled: boolean;
  members: { self: boolean; workers: number; ready: boolean; sessions: number }[];
}

interface HostJson {
  state: string;
  weight: number;
  sessions: number;
  drained: boolean;
  fleet: { sessions: number; tunnels: number } | null;
}

let redis: TestClient;
let prefix: string;
let names: string[];

beforeEach(async () => {
  redis = await openClient();
  prefix = uniqueKeyPrefix();
});

async function start(...more: string[]): Promise<Started> {
  const here = ['--bind', '127.0.0.1', '--port', '0', '--admin-port', '0', '--log', 'json'];
  const redis = ['--redis', sharedRedisUrl(), '--key-prefix', prefix];
  const quick = ['--check-interval', '50', '--drain-timeout', '1'];
  const command = new WorkersCommand(['--hosts', names.join(), ...here, ...redis, ...quick, ...more]);
  const url = await command.ready();
  const [{ url: admin }] = await command.seen('admin') as [{ url: string }];
  const ask: Started['ask'] = async (path, method = 'GET', body?: object) => {
    const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
    const reply = await request(admin + path, { method, ...json });
    return { status: reply.status, json: reply.body === '' ? undefined : JSON.parse(reply.body) as unknown };
  };
  return { command, url, ask };
}

const fleetOf = async ({ ask }: Started): Promise<FleetJson> => (await ask('/api/fleet')).json as FleetJson;
const pathOf = (at: number): string => `/api/hosts/${encodeURIComponent(names[at] ?? '')}`;
const hostOf = async ({ ask }: Started, at: number): Promise<HostJson> => (await ask(pathOf(at))).json as HostJson;

/** Each beats at once, one after the other: it looks whether another one has added the host that a session is on. */
async function beat(...members: Started[]): Promise<void> {
  for (const { ask } of members) {
    const name = randomBytes(8).toString('hex');
    await redis.set(prefix + name, name, { expiration: { type: 'EX', value: 60 } });
    await ask(`/api/sessions/${name}`);
  }
}

/** Waits for what members hear of each other, and lets them beat meanwhile. */
async function follow(what: string, members: Started[], condition: () => Promise<boolean>): Promise<void> {
  await until(what, async () => {
    if (await condition()) return true;
    await beat(...members);
    return condition();
  });
}

/** Resolves when all know so many members. */
async function together(...all: Started[]): Promise<void> {
  const areAll = ({ members }: FleetJson): boolean => members.length === all.length && members.every(({ ready }) => ready);
  await follow('all know each other', all, async () => (await Promise.all(all.map(fleetOf))).every(areAll));
}

it('commands on one Redis are a fleet: with workers each is one member, and what is set at one holds for all', async () => {
  names = (await startSessionHosts(2)).map(({ name }) => name);
  const [one, other] = [await start('--workers', '2'), await start()];
  await together(one, other);
  expect((await fleetOf(one)).members).toMatchObject([{ self: true, workers: 2 }, { self: false, workers: 1 }]);
  expect(await one.command.seen('joined')).toHaveLength(1);

  expect((await other.ask(pathOf(0), 'PATCH', { state: 'draining' })).status).toBe(200);
  expect((await one.ask(pathOf(1), 'PATCH', { weight: 9 })).status).toBe(200);
  for (const member of [one, other]) {
    await follow('both know', [one, other], async () => (
      (await hostOf(member, 0)).state === 'draining' && (await hostOf(member, 1)).weight === 9
    ));
  }
  for (let i = 0; i < 4; i += 1) await handshake(one.url);
  await until('its workers follow', async () => (await hostOf(one, 1)).sessions === 4);

  const late = await start('--workers', '2');
  expect(await hostOf(late, 0)).toMatchObject({ state: 'draining' });
  other.command.signal('SIGTERM');
  await one.command.seen('left');
  await together(one, late);
});

it('--no-fleet leaves a command by itself', async () => {
  names = (await startSessionHosts(1)).map(({ name }) => name);
  const [one, alone, workers] = await Promise.all([start(), start('--no-fleet'), start('--no-fleet', '--workers', '2')]);
  for (const { ask } of [alone, workers]) {
    expect((await ask('/api/fleet')).json).toEqual({
      enabled: false, revision: null, reached: false, refused: false, agree: true, members: [],
    });
    expect(((await ask(pathOf(0))).json as HostJson).fleet).toBeNull();
  }
  expect((await fleetOf(one)).members).toHaveLength(1);
});

it('handshakes are admitted at any command, whose limit is that of all', async () => {
  names = (await startSessionHosts(1)).map(({ name }) => name);
  const limit = ['--max-handshakes-per-second', '80', '--handshake-queue-timeout', '60000'];
  const [one, other] = await Promise.all([start(...limit, '--workers', '2'), start(...limit)]);
  await together(one, other);
  const all = [one, other].flatMap(({ url }) => Array.from({ length: 100 }, () => handshake(url)));
  expect(new Set(await Promise.all(all)).size).toBe(200);
});

it('a session counts once, whichever workers and members it goes through', async () => {
  names = (await startSessionHosts(1)).map(({ name }) => name);
  const [one, other] = await Promise.all([start('--workers', '2'), start('--workers', '2')]);
  await together(one, other);
  const sids = await Promise.all(Array.from({ length: 10 }, () => handshake(one.url)));
  // Each on a connection of its own, which go to the workers in turn.
  for (let round = 0; round < 4; round += 1) {
    for (const { url } of [one, other]) {
      await Promise.all(sids.map((sid) => request(pollUrl(url, sid), { method: 'POST', body: '2' })));
    }
  }
  for (const member of [one, other]) {
    await follow('it counts all once', [one, other], async () => {
      const { sessions, fleet } = await hostOf(member, 0);
      return sessions === 10 && fleet?.sessions === 10;
    });
    await follow('it has shown that', [one, other], async () => (await fleetOf(member)).members.every(({ sessions }) => sessions === 10));
  }
});

it('a host is drained once no worker of any member has anything there, and a deploy script can wait for it', async () => {
  names = [(await startHost()).name];
  const [one, other] = await Promise.all([start('--workers', '2'), start('--workers', '2')]);
  await together(one, other);
  const sid = await handshake(other.url);
  await follow('it is known', [other, one], async () => (await hostOf(one, 0)).fleet?.sessions === 1);
  await one.ask(pathOf(0), 'PATCH', { state: 'draining' });
  const late = / is not drained yet: 1 sessions, 0 WebSockets; waits for [\w.-]+:\d+:[\da-f]{8}: with something there$/;
  expect((await one.ask(`${pathOf(0)}?wait=drained&timeout=1`)).json).toMatchObject({
    code: 'NOT_DRAINED', message: expect.stringMatching(late) as string,
  });
  const waited = one.ask(`${pathOf(0)}?wait=drained&timeout=3600000`);
  await follow('the other drains it, too', [other], async () => (await hostOf(other, 0)).state === 'draining');
  expect(one.command.eventsOf('drained')).toEqual([]);
  expect((await other.ask(`/api/sessions/${sid}`, 'DELETE')).status).toBe(204);
  for (const { command } of [one, other]) {
    await follow('both have drained it', [one, other], () => Promise.resolve(command.eventsOf('drained').length > 0));
  }
  expect(await waited).toMatchObject({ status: 200, json: { drained: true } });
});

describe('sessions by polling outlive those that served them', () => {
  const isGone = (pathname: string): unknown => ({
    code: 'SESSIONS_LIVE', message: expect.stringMatching(pathname) as string,
  });

  it('a command that ends has them still, and the others wait for these', async () => {
    names = [(await startHost()).name];
    const [one, other] = await Promise.all([start('--workers', '2'), start('--workers', '2')]);
    await together(one, other);
    for (let i = 0; i < 4; i += 1) await handshake(other.url);
    await follow('they are known', [other, one], async () => (await hostOf(one, 0)).fleet?.sessions === 4);
    await one.ask(pathOf(0), 'PATCH', { state: 'draining' });
    await follow('the other drains it, too', [other], async () => (await hostOf(other, 0)).state === 'draining');
    other.command.signal('SIGTERM');
    await follow('it has left', [one], () => Promise.resolve(one.command.eventsOf('left').length > 0));
    expect((await one.ask(pathOf(0), 'DELETE')).json).toEqual(isGone('the host may have sessions of .+, gone a short time ago'));
    expect((await one.ask(`${pathOf(0)}?wait=drained&timeout=1`)).json).toMatchObject({
      message: expect.stringMatching(/: gone, with sessions that may go on$/) as string,
    });
  });

  it.each<[what: string, end: (command: WorkersCommand) => Promise<unknown>]>([
    ['are replaced', (command) => {
      command.signal('SIGUSR2');
      return command.seen('restarted');
    }],
    ['die', async (command) => {
      for (const pid of command.workers) process.kill(pid, 'SIGKILL');
      return command.seen('worker-started', 2);
    }],
  ])('workers that %s leave them to the next ones, and their host is not drained', async (_, end) => {
    names = [(await startHost()).name];
    const one = await start('--workers', '2');
    const sids = await Promise.all([1, 2, 3, 4].map(() => handshake(one.url)));
    await until('they are known', async () => (await hostOf(one, 0)).sessions === 4);
    await one.ask(pathOf(0), 'PATCH', { state: 'draining' });
    await end(one.command);
    await until('those of the ended ones count no more', async () => (await hostOf(one, 0)).sessions === 0);
    expect(await hostOf(one, 0)).toMatchObject({ sessions: 0, drained: false });
    expect((await one.ask(pathOf(0), 'DELETE')).json).toEqual(isGone('the host may have sessions of an ended worker'));
    expect((await one.ask(`${pathOf(0)}?wait=drained&timeout=1`)).json).toMatchObject({
      message: expect.stringMatching(/; waits for an ended worker: gone, with sessions that may go on$/) as string,
    });
    for (const sid of sids) expect((await request(pollUrl(one.url, sid), { method: 'POST', body: '2' })).status).toBe(200);
    await until('each counts once', async () => (await hostOf(one, 0)).sessions === 4);
  });
});
