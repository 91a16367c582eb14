import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { io, type Socket } from 'socket.io-client';
import { onCleanup } from '../../support/cleanup';
import { startCommand } from '../../support/command';
import { Script } from '../../support/command';
import { examplePath, readExample } from '../../support/examples';
import { handshake } from '../../support/http';
import { openClient, RedisProcess, type TestClient } from '../../support/redis';
import { until } from '../../support/until';

interface ExampleServer {
  script: Script;
  port: string;
}

async function startServer(redis: RedisProcess): Promise<ExampleServer> {
  const script = new Script([examplePath('recovery/server.mjs')], { env: { PORT: '0', REDIS_URL: redis.url } });
  const line = await script.line(/^listening on port \d+$/);
  return { script, port: line.replace(/\D/g, '') };
}

/** Two servers as they stand in examples/, and the command in front of them, which sends every second session to each. */
async function start(): Promise<{ servers: [ExampleServer, ExampleServer]; url: string; redisClient: TestClient }> {
  const redis = await RedisProcess.start();
  const servers: [ExampleServer, ExampleServer] = [await startServer(redis), await startServer(redis)];
  const hosts = servers.map(({ port }) => `127.0.0.1:${port}`).join(',');
  const { url } = await startCommand(['--hosts', hosts, '--redis', redis.url, '--balance', 'round-robin']);
  return { servers, url, redisClient: await openClient(redis.url) };
}

/** A client by polling that comes back when it is told to, and all that it is sent. */
async function connect(url: string): Promise<{ client: Socket; heard: string[]; hears: (text: string) => Promise<void> }> {
  const client = io(url, { transports: ['polling'], reconnection: false, forceNew: true });
  onCleanup(() => client.close());
  const heard: string[] = [];
  client.on('said', (text: string) => heard.push(text));
  await connected(client);
  const hears = async (text: string): Promise<void> => {
    while (!heard.includes(text)) await event(client, 'said');
  };
  return { client, heard, hears };
}

function event(client: Socket, name: string): Promise<unknown> {
  return new Promise((resolve) => client.once(name, resolve));
}

async function connected(client: Socket): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    client.once('connect', resolve);
    client.once('connect_error', reject);
  });
}

/** The server that a client is connected to, and the other one. */
async function placeOf(client: Socket, servers: [ExampleServer, ExampleServer]): Promise<[ExampleServer, ExampleServer]> {
  const isNew = new RegExp(`^${client.id} is new$`);
  return Promise.any(servers.map(async (server, i) => {
    await server.script.line(isNew);
    return i === 0 ? servers : [servers[1], servers[0]] as [ExampleServer, ExampleServer];
  }));
}

describe('a client that is cut off while messages are broadcast', () => {
  it.each([
    ['its server is stopped', ({ script }: ExampleServer) => script.signal('SIGTERM')],
    ['its connection ends', async (_: ExampleServer, client: Socket, url: string) => {
      // Takes the turn of the same server, so that the other one is next.
      await handshake(url);
      client.io.engine.close();
    }],
  ])('comes back to another server and has missed nothing: %s', async (_, cutOff) => {
    const { servers, url, redisClient } = await start();
    const { client, heard, hears } = await connect(url);
    const [server, another] = await placeOf(client, servers);
    const speaker = await connect(url);
    expect(await placeOf(speaker.client, servers)).toEqual([another, server]);
    client.emit('say', 'before');
    await hears('before');

    const id = client.id ?? '';
    const gone = event(client, 'disconnect');
    await cutOff(server, client, url);
    await gone;
    await server.script.line(new RegExp(`^${id} has gone`));
    // What the next server needs is on its way by then, and nothing but Redis tells when it is there.
    await until('its state is stored', async () => (await redisClient.keys('sio:session:*')).length === 1);
    for (const text of ['missed 1', 'missed 2', 'missed 3']) speaker.client.emit('say', text);
    await speaker.hears('missed 3');

    client.connect();
    await connected(client);
    expect(client.recovered).toBe(true);
    expect(client.id).toBe(id);
    await another.script.line(new RegExp(`^${id} is back$`));
    speaker.client.emit('say', 'after');
    await hears('after');
    expect(heard).toEqual(['before', 'missed 1', 'missed 2', 'missed 3', 'after']);
  });
});

it('ends with 0 on SIGTERM, and cuts its clients off at once', async () => {
  const { servers, url } = await start();
  const { client } = await connect(url);
  const [server] = await placeOf(client, servers);
  const gone = event(client, 'disconnect');
  server.script.signal('SIGTERM');
  // Its poll is answered; where none was held, the next one is refused.
  expect(await gone).toMatch(/^transport (?:close|error)$/);
  expect(await server.script.ended()).toBe(0);
});

it('depends on what it is tested with', () => {
  const { dependencies } = JSON.parse(readExample('recovery/package.json')) as { dependencies: Record<string, string> };
  const manifest = JSON.parse(readFileSync(join(__dirname, '../../../package.json'), 'utf8')) as Record<string, Record<string, string>>;
  const imported = Array.from(readExample('recovery/server.mjs').matchAll(/from '(?!node:)(.+?)'/g), ([, name = '']) => name);
  expect(Object.keys(dependencies).sort()).toEqual(imported.sort());
  expect({ ...manifest.dependencies, ...manifest.devDependencies }).toMatchObject(dependencies);
});
