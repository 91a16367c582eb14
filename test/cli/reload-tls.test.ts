import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tls, { type TLSSocket } from 'node:tls';
import { pathOf } from '../support/admin';
import { onCleanup } from '../support/cleanup';
import { Clients } from '../support/clients';
import { startCommand } from '../support/command';
import { startHost } from '../support/hosts';
import { request } from '../support/http';
import { temporaryFolder } from '../support/program';
import { sharedRedisUrl, uniqueKeyPrefix } from '../support/redis';
import { startReloadable } from '../support/reloadable';
import { startSessionHosts } from '../support/session-host';
import { CERT, KEY } from '../support/tls';
import { until } from '../support/until';
import { WorkersCommand } from '../support/workers';

const FOLDER = join(__dirname, '../fixtures/tls');
const [NEXT_CERT, NEXT_KEY] = ['next-cert.pem', 'next-key.pem'].map((name) => readFileSync(join(FOLDER, name), 'utf8')) as [string, string];
const IN_USE = /^a new certificate is in use, valid until 2\d{3}-/;

/** A certificate and its key of the test's own. */
function tlsFiles(): { tlsCert: string; tlsKey: string; replace: (cert: string, key: string) => void } {
  const folder = temporaryFolder('tls-');
  const [tlsCert, tlsKey] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const replace = (cert: string, key: string): void => {
    // As certificate managers do it: not within a file.
    for (const [path, text] of [[tlsCert, cert], [tlsKey, key]] as const) {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    }
  };
  replace(CERT, KEY);
  return { tlsCert, tlsKey, replace };
}

/** A connection by TLS. */
async function connect(url: string): Promise<TLSSocket> {
  const socket = tls.connect({ port: Number(new URL(url).port), host: '127.0.0.1', rejectUnauthorized: false });
  onCleanup(() => socket.destroy());
  await once(socket, 'secureConnect');
  // A command that ends may reset it.
  socket.on('error', () => {});
  return socket;
}

/** The certificate that a new connection is shown. */
async function shown(url: string): Promise<string> {
  return (await connect(url)).getPeerX509Certificate()?.toString() ?? '';
}

describe('the files of a certificate', () => {
  it('are read again when they change while it starts, and later, and what is open stays so', async () => {
    const { replace, ...files } = tlsFiles();
    const { url, line, lines } = await startReloadable({ hosts: ['127.0.0.1:1'], ...files }, () => replace(NEXT_CERT, NEXT_KEY));
    await line(IN_USE);
    expect(await shown(url)).toBe(NEXT_CERT);
    const open = await connect(url);
    const from = lines.length;
    replace(CERT, KEY);
    await line(IN_USE, from);
    expect(await shown(url)).toBe(CERT);
    expect(open.closed).toBe(false);
  });

  it('are others after SIGHUP, which are read again when they change', async () => {
    const [{ tlsCert, tlsKey }, { replace, ...second }] = [tlsFiles(), tlsFiles()];
    replace(NEXT_CERT, NEXT_KEY);
    const { url, lines, line, write, reload } = await startReloadable({ hosts: ['127.0.0.1:1'], tlsCert, tlsKey });
    write({ hosts: ['127.0.0.1:1'], ...second });
    expect(reload().at(-1)).toMatch(IN_USE);
    expect(await shown(url)).toBe(NEXT_CERT);
    // The first change may be found when they are looked at once more; the second only where they are followed.
    for (const [cert, key] of [[CERT, KEY], [NEXT_CERT, NEXT_KEY]] as const) {
      const from = lines.length;
      replace(cert, key);
      await line(IN_USE, from);
      expect(await shown(url)).toBe(cert);
    }
  });

  it('that do not fit leave the old ones in use, when they change and on SIGHUP', async () => {
    const { replace, ...files } = tlsFiles();
    const { url, line, reload } = await startReloadable({ hosts: ['127.0.0.1:1'], ...files });
    replace(NEXT_CERT, KEY);
    expect(reload().join('\n')).toMatch(/^warn: settings stay as they were: 'tlsKey' in .+ does not hold the key[^\n]+$/);
    await line(/^warn: the old certificate stays in use: /);
    expect(await shown(url)).toBe(CERT);
    replace(NEXT_CERT, NEXT_KEY);
    await line(IN_USE);
    expect(await shown(url)).toBe(NEXT_CERT);
  });
});

it('serves sessions by TLS, follows its files, and ends with its sessions', async () => {
  const host = await startHost();
  const { tlsCert, tlsKey, replace } = tlsFiles();
  const { command, url } = await startCommand(['--hosts', host.name, '--tls-cert', tlsCert, '--tls-key', tlsKey]);
  expect(url).toMatch(/^https:/);
  const clients = new Clients();
  const { key, transport } = await clients.connect({ url, upgraded: true, ca: CERT });
  expect(transport).toBe('websocket');
  replace(NEXT_CERT, NEXT_KEY);
  command.signal('SIGHUP');
  await command.line(IN_USE);
  expect(await shown(url)).toBe(NEXT_CERT);
  await clients.exchange(key, 1000);
  await clients.close(key);
  // One that is idle is no reason to wait.
  await connect(url);
  command.signal('SIGTERM');
  expect(await command.ended()).toBe(0);
});

it('gives every worker a new certificate, also a later one, and a host back that was removed by hand', async () => {
  const hosts = await startSessionHosts(2);
  const [name = '', other = ''] = hosts.map((host) => host.name);
  const { replace, tlsCert, tlsKey } = tlsFiles();
  const command = new WorkersCommand([
    '--hosts', `${name},${other}`, '--bind', '127.0.0.1', '--port', '0', '--workers', '2', '--log', 'json', '--admin-port', '0',
    '--redis', sharedRedisUrl(), '--key-prefix', uniqueKeyPrefix(), '--tls-cert', tlsCert, '--tls-key', tlsKey,
    // In a fleet, what was removed by hand stays so.
    '--no-fleet',
  ]);
  const url = await command.ready();
  // Connections go to one worker and the other in turn.
  const certificates = async (): Promise<string[]> => {
    const all: string[] = [];
    for (let i = 0; i < 6; i += 1) all.push(await shown(url));
    return [...new Set(all)];
  };
  expect(await certificates()).toEqual([CERT]);
  const open = await connect(url);
  replace(NEXT_CERT, NEXT_KEY);
  await command.seen('certificate');
  await until('both have it', async () => (await certificates()).join() === NEXT_CERT);
  expect(open.closed).toBe(false);
  process.kill(command.workers[0] ?? NaN, 'SIGKILL');
  await command.seen('worker-started');
  expect(await certificates()).toEqual([NEXT_CERT]);

  const [admin] = await command.seen('admin');
  expect((await request(`${String(admin?.url)}${pathOf(other)}?force=true`, { method: 'DELETE' })).status).toBe(204);
  await command.seen('removed');
  command.signal('SIGHUP');
  expect(await command.seen('reloaded')).toMatchObject([{ added: [other], draining: [] }]);
  const before = hosts[1]?.sids.length;
  await until('it gets sessions', async () => {
    await request(`${url}/socket.io/?EIO=4&transport=polling`, { ca: NEXT_CERT });
    return hosts[1]?.sids.length !== before;
  });
});
