import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tls, { type TLSSocket } from 'node:tls';
import { onCleanup } from '../support/cleanup';
import { Clients } from '../support/clients';
import { startCommand, type Command } from '../support/command';
import { startHosts } from '../support/hosts';
import { handshake, pollUrl, request } from '../support/http';
import { temporaryFolder } from '../support/program';
import { sharedRedisUrl, uniqueKeyPrefix } from '../support/redis';
import { CERT, KEY } from '../support/tls';
import { until } from '../support/until';
import { WorkersCommand } from '../support/workers';

const FOLDER = join(__dirname, '../fixtures/tls');

/** A folder with a configuration, which the function that is returned replaces. */
function configure(content: object): { path: string; write: (next: object | string) => void } {
  const path = join(temporaryFolder('config-'), 'proxy.json');
  const write = (next: object | string): void => writeFileSync(path, typeof next === 'string' ? next : JSON.stringify(next));
  write(content);
  return { path, write };
}

async function reload(command: Command, pattern: RegExp): Promise<string> {
  const from = command.lines.length;
  command.signal('SIGHUP');
  return command.line(pattern, from);
}

describe('SIGHUP', () => {
  it('adds hosts that are new, and drains those that have vanished until their last session has ended', async () => {
    const [old, kept, added] = await startHosts(3);
    const names = [old?.name, kept?.name, added?.name];
    const config = configure({ hosts: [names[0]] });
    const { command, url } = await startCommand(['--config', config.path, '--key-expiry', '1']);
    const clients = new Clients();
    const { key, host } = await clients.connect({ url, transports: ['websocket'] });
    expect(host).toBe(names[0]);

    config.write({ hosts: [names[1], { host: names[2], weight: 0 }] });
    expect(await reload(command, /read again/)).toBe(`settings are read again: +${names[1]} +${names[2]} -${names[0]}`);
    await command.line(new RegExp(`^${names[2]} is up$`));
    await command.line(new RegExp(`^${names[1]} is up$`));
    const opened = await Promise.all([0, 1, 2, 3].map(() => clients.connect({ url, transports: ['websocket'] })));
    expect(opened.map((client) => client.host)).toEqual(opened.map(() => names[1]));
    await clients.exchange(key, 1000);

    await clients.close(key);
    await command.line(new RegExp(`^${names[0]} is removed$`));
    expect(command.lines).toContain(`${names[0]} is drained`);
  });

  it('takes a host back that is leaving, with its sessions', async () => {
    const [one, other] = await startHosts(2);
    const config = configure({ hosts: [one?.name, other?.name] });
    const { command, url } = await startCommand(['--config', config.path]);
    const clients = new Clients();
    const { key, host } = await clients.connect({ url, transports: ['websocket'] });
    config.write({ hosts: [host === one?.name ? other?.name : one?.name] });
    await reload(command, new RegExp(`-${host}$`));
    config.write({ hosts: [one?.name, other?.name] });
    await reload(command, new RegExp(`\\+${host}$`));
    await clients.exchange(key, 1000);
    await until('it gets new sessions', async () => (await clients.connect({ url, transports: ['websocket'] })).host === host);
    expect(command.output).not.toContain('is removed');
  });

  it('takes back a host that has left when a session comes that another proxy has there', async () => {
    const [old, kept] = await startHosts(2);
    const config = configure({ hosts: [old?.name] });
    const redis = ['--redis', sharedRedisUrl(), '--key-prefix', uniqueKeyPrefix()];
    const [{ url: otherUrl }, { command, url }] = await Promise.all([
      startCommand(['--hosts', old?.name ?? '', ...redis]),
      startCommand(['--config', config.path, '--key-expiry', '1', '--check-interval', '50', ...redis]),
    ]);
    const sid = await handshake(otherUrl);
    config.write({ hosts: [kept?.name] });
    await reload(command, /read again/);
    await command.line(new RegExp(`^${old?.name} is removed$`));
    const from = command.lines.length;
    expect((await request(pollUrl(url, sid), { method: 'POST', body: '40' })).body).toBe('ok');
    await command.line(new RegExp(`^${old?.name} is up$`), from);
    const clients = new Clients();
    const opened = await Promise.all([0, 1, 2, 3].map(() => clients.connect({ url, transports: ['polling'] })));
    expect(opened.map(({ host }) => host)).toEqual(opened.map(() => kept?.name));
    await old?.kill();
    await command.line(new RegExp(`^${old?.name} is removed$`), from);
  });

  it('lets a host that is gone leave at once', async () => {
    const [dead, kept] = await startHosts(2);
    const config = configure({ hosts: [dead?.name, kept?.name] });
    const { command, url } = await startCommand(['--config', config.path, '--check-interval', '50']);
    // It has sessions that are lost with it.
    await Promise.all([0, 1, 2, 3].map(() => handshake(url)));
    await dead?.kill();
    // A check of it may have been cut.
    await command.line(new RegExp(`^warn: ${dead?.name} is down: (?:refused|failing)$`));
    config.write({ hosts: [kept?.name] });
    await reload(command, /read again/);
    await command.line(new RegExp(`^${dead?.name} is removed$`));
  });

  it('keeps a host that is spelled otherwise, under the name that its sessions are bound to', async () => {
    const [host, other] = await startHosts(2);
    const config = configure({ hosts: [host?.name] });
    const { command, url } = await startCommand(['--config', config.path]);
    const sid = await handshake(url);
    config.write({ hosts: [`http://${host?.name}`, other?.name] });
    expect(await reload(command, /^warn/)).toBe(
      `warn: only a restart spells ${host?.name} as http://${host?.name}, by which new sessions would be bound`,
    );
    await command.line(new RegExp(`^settings are read again: \\+${other?.name}$`));
    expect((await request(pollUrl(url, sid), { method: 'POST', body: '40' })).body).toBe('ok');
    config.write({ hosts: [other?.name] });
    expect(await reload(command, /read again/)).toBe(`settings are read again: -${host?.name}`);
    config.write({ hosts: [`http://${host?.name}`] });
    expect(await reload(command, /read again/)).toBe(`settings are read again: +${host?.name} -${other?.name}`);
  });

  it('leaves all as it is when the settings are of no use any more, and says why', async () => {
    const [host] = await startHosts(1);
    const config = configure({ hosts: [host?.name] });
    const { command, url } = await startCommand(['--config', config.path]);
    config.write({ hots: [] });
    expect(await reload(command, /^warn/)).toBe(
      `warn: settings stay as they were: 'hots' in ${config.path} names no flag; did you mean 'hosts'?`,
    );
    config.write('{"hosts": ');
    expect(await reload(command, /^warn/)).toContain(`settings stay as they were: ${config.path} holds no JSON`);
    await handshake(url);
  });

  it('keeps its hosts where DNS is to name them from now on, which only a restart applies', async () => {
    const [host, other] = await startHosts(2);
    const config = configure({ hosts: [host?.name] });
    const { command, url } = await startCommand(['--config', config.path]);
    config.write({ discover: 'dns:localhost:1' });
    expect(await reload(command, /restart/)).toBe('warn: changed, but only a restart applies it: --hosts, --discover');
    expect(command.lines).not.toContain(`${host?.name} is removed`);
    await handshake(url);
    // From those that it still has.
    config.write({ hosts: [other?.name] });
    expect(await reload(command, /read again: /)).toBe(`settings are read again: +${other?.name} -${host?.name}`);
  });

  it('names in one line what only a restart applies', async () => {
    const config = configure({ hosts: ['127.0.0.1:1'], path: '/a/' });
    const { command } = await startCommand(['--config', config.path]);
    config.write({ hosts: ['127.0.0.1:1'], path: '/b/', checkInterval: 5, quiet: true });
    expect(await reload(command, /restart/)).toBe('warn: changed, but only a restart applies it: --path, --check-interval, --quiet');
  });
});

/** A certificate and its key of the test's own, and one to follow. */
function tlsFiles(): { cert: string; key: string; replace: (cert: string, key: string) => void; next: [cert: string, key: string] } {
  const folder = temporaryFolder('tls-');
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const replace = (certText: string, keyText: string): void => {
    // As certificate managers do it: not within a file.
    for (const [path, text] of [[cert, certText], [key, keyText]] as const) {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    }
  };
  replace(CERT, KEY);
  return { cert, key, replace, next: NEXT };
}

const read = (name: string): string => readFileSync(join(FOLDER, name), 'utf8');
const NEXT: [string, string] = [read('next-cert.pem'), read('next-key.pem')];

/** A connection by TLS, with the fingerprint of the certificate that was shown. */
async function connect(url: string): Promise<{ socket: TLSSocket; shown: string }> {
  const socket = tls.connect({ port: Number(new URL(url).port), host: '127.0.0.1', rejectUnauthorized: false });
  onCleanup(() => socket.destroy());
  await once(socket, 'secureConnect');
  // A command that ends may reset it.
  socket.on('error', () => {});
  return { socket, shown: socket.getPeerX509Certificate()?.toString().trim() ?? '' };
}

describe('TLS', () => {
  it('serves sessions, and ends with them', async () => {
    const [host] = await startHosts(1);
    const { cert, key } = tlsFiles();
    const { command, url } = await startCommand(['--hosts', host?.name ?? '', '--tls-cert', cert, '--tls-key', key]);
    expect(url).toMatch(/^https:/);
    const clients = new Clients();
    const { key: client, transport } = await clients.connect({ url, upgraded: true, ca: CERT });
    expect(transport).toBe('websocket');
    await clients.exchange(client, 1000);
    await clients.close(client);
    // One that is idle is no reason to wait.
    await connect(url);
    command.signal('SIGTERM');
    expect(await command.ended()).toBe(0);
  });

  it('reads the files again when they change, and keeps what is open', async () => {
    const [host] = await startHosts(1);
    const { cert, key, replace, next } = tlsFiles();
    const { command, url } = await startCommand(['--hosts', host?.name ?? '', '--tls-cert', cert, '--tls-key', key]);
    const clients = new Clients();
    const { key: client } = await clients.connect({ url, transports: ['websocket'], ca: CERT });
    expect((await connect(url)).shown).toBe(CERT.trim());
    replace(...next);
    await command.line(/^a new certificate is in use, valid until 2\d{3}-/);
    expect((await connect(url)).shown).toBe(next[0].trim());
    await clients.exchange(client, 1000);
  });

  it('reads the files again where they change while it starts', async () => {
    const { cert, key, next } = tlsFiles();
    const script = join(temporaryFolder('early-'), 'early.cjs');
    // The settings have been read by the next turn, and nothing that takes longer is done.
    writeFileSync(script, `Object.defineProperty(process, 'title', { set: () => process.nextTick(() => {
      const { writeFileSync } = require('node:fs');
      writeFileSync(${JSON.stringify(cert)}, ${JSON.stringify(next[0])});
      writeFileSync(${JSON.stringify(key)}, ${JSON.stringify(next[1])});
    }) });`);
    const args = ['--hosts', '127.0.0.1:1', '--tls-cert', cert, '--tls-key', key];
    const { command, url } = await startCommand(args, { env: { NODE_OPTIONS: `--require=${script}` } });
    await command.line(/^a new certificate is in use/);
    expect((await connect(url)).shown).toBe(next[0].trim());
  });

  it('reads other files on SIGHUP, and these again when they change', async () => {
    const [first, second] = [tlsFiles(), tlsFiles()];
    second.replace(...second.next);
    const settings = (files: typeof first): object => ({ hosts: ['127.0.0.1:1'], tlsCert: files.cert, tlsKey: files.key });
    const config = configure(settings(first));
    const { command, url } = await startCommand(['--config', config.path]);
    config.write(settings(second));
    await reload(command, /^a new certificate is in use/);
    expect((await connect(url)).shown).toBe(second.next[0].trim());
    // The first change may be found when they are looked at once more; the second only where they are followed.
    for (const [nextCert, nextKey] of [[CERT, KEY], second.next] as const) {
      const from = command.lines.length;
      second.replace(nextCert, nextKey);
      await command.line(/^a new certificate is in use/, from);
      expect((await connect(url)).shown).toBe(nextCert.trim());
    }
  });

  it.each([['when they change', false], ['on SIGHUP', true]])('keeps the old ones %s and do not fit', async (_, bySignal) => {
    const { cert, key, replace, next } = tlsFiles();
    const { command, url } = await startCommand(['--hosts', '127.0.0.1:1', '--tls-cert', cert, '--tls-key', key]);
    replace(next[0], KEY);
    if (bySignal) command.signal('SIGHUP');
    const kept = bySignal ? 'settings stay as they were: --tls-key holds no key' : 'the old certificate stays in use: ';
    await command.line(new RegExp(`^warn: ${kept}`));
    expect((await connect(url)).shown).toBe(CERT.trim());
    replace(...next);
    await command.line(/^a new certificate is in use/);
    expect((await connect(url)).shown).toBe(next[0].trim());
  });

  it.each([['on SIGHUP', true], ['when they change', false]])('reaches every worker %s, also a later one', async (_, bySignal) => {
    const { cert, key, replace, next } = tlsFiles();
    const command = new WorkersCommand([
      '--hosts', '127.0.0.1:1', '--bind', '127.0.0.1', '--port', '0', '--workers', '2', '--log', 'json',
      '--redis', sharedRedisUrl(), '--key-prefix', uniqueKeyPrefix(), '--tls-cert', cert, '--tls-key', key,
    ]);
    const url = await command.ready();
    // Connections go to one worker and the other in turn.
    const shown = async (): Promise<string[]> => {
      const certificates: string[] = [];
      for (let i = 0; i < 6; i += 1) certificates.push((await connect(url)).shown);
      return [...new Set(certificates)];
    };
    expect(await shown()).toEqual([CERT.trim()]);
    const old = await connect(url);
    replace(...next);
    if (bySignal) command.signal('SIGHUP');
    await command.seen('certificate');
    await until('both have it', async () => (await shown()).join() === next[0].trim());
    expect(old.socket.closed).toBe(false);
    process.kill(command.workers[0] ?? NaN, 'SIGKILL');
    await command.seen('worker-started');
    expect(await shown()).toEqual([next[0].trim()]);
  });
});
