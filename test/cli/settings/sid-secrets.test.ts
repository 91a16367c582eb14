import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCommandLine } from '../../../src/cli/settings/command-line';
import { startCommand } from '../../support/command';
import { handshake, pollUrl, request } from '../../support/http';
import { temporaryFolder } from '../../support/program';
import { startSessionHosts, startSessionHost } from '../../support/session-host';

const FIRST = `first-${'secret'.repeat(5)}`;
const SECOND = `second-${'secret'.repeat(5)}`;

/** `--store sid` with the secrets in a file, one a line. */
function onSids(...secrets: string[]): string[] {
  const path = join(temporaryFolder('secrets-'), 'secrets');
  writeFileSync(path, `# Secrets, the first of which makes tokens.\n${secrets.map((secret) => ` ${secret}\r\n\n`).join('')}`);
  return ['--store', 'sid', '--sid-secret-file', path];
}

async function statusOf(url: string, sid: string): Promise<number> {
  return (await request(pollUrl(url, sid), { method: 'POST', body: '2' })).status;
}

it('lets a command know the sessions of others with one of its secrets, which change one command after another', async () => {
  const host = await startSessionHost();
  const start = async (...secrets: string[]): Promise<string> =>
    (await startCommand(['--hosts', host.name, ...onSids(...secrets)])).url;
  const [before, during, after, other] = await Promise.all([
    start(FIRST), start(SECOND, FIRST), start(SECOND), start(`another-${SECOND}`),
  ]);
  const [old, recent] = [await handshake(before), await handshake(during)];
  const statuses = await Promise.all([before, during, after, other].map(
    (url) => Promise.all([statusOf(url, old), statusOf(url, recent)]),
  ));
  expect(statuses).toEqual([[200, 400], [200, 200], [400, 200], [400, 400]]);
});

it('lets workers know all sessions without Redis, each of which counts once', async () => {
  const hosts = await startSessionHosts(2);
  const { command, url } = await startCommand([
    '--hosts', hosts.map(({ name }) => name).join(), ...onSids(FIRST), '--workers', '2', '--admin-port', '0',
  ]);
  const sids = await Promise.all(Array.from({ length: 20 }, () => handshake(url)));
  // Each request has a connection of its own, and so any of the workers.
  const statuses = await Promise.all(sids.flatMap((sid) => Array.from({ length: 5 }, () => statusOf(url, sid))));
  expect(new Set(statuses)).toEqual(new Set([200]));
  expect(command.output).toMatch(/2 of 2 hosts up, bindings in the sids/);
  expect(command.output).not.toContain('--redis');
  const [, admin = ''] = /the admin server is (\S+)/.exec(await command.line(/the admin server/)) ?? [];
  // An operator may have the sid from a host's log.
  const [sid = ''] = sids;
  const found = await request(`${admin}/api/sessions/${encodeURIComponent(sid.slice(0, sid.lastIndexOf('.')))}`);
  expect([found.status, found.json()]).toMatchObject([200, { sid }]);
});

it('shows a secret nowhere', () => {
  const args = ['--hosts', 'a:1', ...onSids(FIRST)];
  const checked = readCommandLine([...args, '--check-config'], {});
  const printed = readCommandLine([...args, '--print-config'], {});
  expect(checked).toMatchObject({ exitCode: 0, text: expect.stringContaining('  store: none: each sid carries its host\n') as string });
  expect(JSON.parse(Reflect.get(printed, 'text') as string)).toMatchObject({ store: 'sid', sidSecretFile: args.at(-1) });
  expect(JSON.stringify([checked, printed])).not.toContain('secretsecret');
});
