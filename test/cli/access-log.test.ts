import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Command, startCommand } from '../support/command';
import { exchangeBytes, handshake, pollUrl, request } from '../support/http';
import { temporaryFolder } from '../support/program';
import { startSessionHost } from '../support/session-host';
import { until } from '../support/until';
import { startWorkers } from '../support/workers';

const linesOf = (file: string): string[] => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []);

it('is written to the standard output, in the Common Log Format', async () => {
  const host = await startSessionHost();
  const { command, url } = await startCommand(['--hosts', host.name, '--access-log', 'common']);
  const sid = await handshake(url);
  await request(`${pollUrl(url, sid)}&auth=%22secret`, { method: 'POST', body: '2' });
  const line = await command.line(/POST/);
  const short = sid.slice(0, 6);
  expect(line).toMatch(new RegExp(
    '^127\\.0\\.0\\.1 - - \\[\\d\\d/[A-Z][a-z]{2}/\\d{4}:\\d\\d:\\d\\d:\\d\\d \\+0000\\] ' +
    `"POST /socket\\.io/\\?EIO=4&transport=polling&sid=${short} HTTP/1\\.1" 200 \\d+$`,
  ));
  expect(command.output).not.toContain('secret');
  expect(command.output).not.toContain(sid);
});

it('has no line or field that a client could make up', async () => {
  const { name } = await startSessionHost();
  const { command, url } = await startCommand(['--hosts', name, '--access-log', 'common']);
  const bytes = 'GET /a"b\\c HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  await exchangeBytes(Number(new URL(url).port), bytes);
  expect(await command.line(/GET/)).toContain(String.raw`"GET /a\"b\\c HTTP/1.1" 400 `);
});

it('is written to a file by every worker, and to a new one after SIGHUP', async () => {
  const file = join(temporaryFolder('access-'), 'access.log');
  const host = await startSessionHost();
  const { command, url } = await startWorkers([host.name], ['--access-log', 'json', '--access-log-file', file]);
  const sids = await Promise.all(Array.from({ length: 20 }, () => handshake(url)));
  await until('they are written', () => linesOf(file).length === 20);
  const entries = linesOf(file).map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(entries.map(({ sid }) => sid).sort()).toEqual(sids.map((sid) => sid.slice(0, 6)).sort());
  expect(entries[0]).toEqual({
    time: expect.stringMatching(/^\d{4}-.+Z$/) as string, client: '127.0.0.1', method: 'GET',
    url: '/socket.io/?EIO=4&transport=polling', httpVersion: '1.1', status: 200, bytes: expect.any(Number) as number,
    host: host.name, sid: expect.any(String) as string, duration: expect.any(Number) as number,
  });
  renameSync(file, `${file}.1`);
  command.signal('SIGHUP');
  let sent = 20;
  for (; linesOf(file).length === 0; sent += 1) await handshake(url);
  await until('all are written', () => linesOf(file).length + linesOf(`${file}.1`).length === sent);
});

it('is no reason to end otherwise when its folder is gone, and goes on in a new one', async () => {
  const folder = join(temporaryFolder('access-'), 'logs');
  mkdirSync(folder);
  const file = join(folder, 'access.log');
  const host = await startSessionHost();
  const { command, url } = await startWorkers([host.name], ['--access-log', 'json', '--access-log-file', file]);
  rmSync(folder, { recursive: true });
  // One that opens it for the first time, and one that opens it anew.
  process.kill(command.workers[0] ?? NaN, 'SIGKILL');
  await command.seen('worker-started');
  command.signal('SIGHUP');
  await command.seen('access-log-failed', 2);
  // More than is gathered before it is written.
  await Promise.all(Array.from({ length: 100 }, () => handshake(url)));
  mkdirSync(folder);
  await until('it is written to again', async () => {
    await handshake(url);
    return linesOf(file).length > 0;
  });
  command.signal('SIGTERM');
  expect(await command.ended()).toBe(0);
  expect(command.eventsOf('worker-died')).toHaveLength(1);
  expect(command.errors).toBe('');
});

it('has all when the command ends', async () => {
  const file = join(temporaryFolder('access-'), 'access.log');
  const { name } = await startSessionHost();
  const { command, url } = await startCommand(['--hosts', name, '--access-log', 'json', '--access-log-file', file]);
  await handshake(url);
  command.signal('SIGTERM');
  expect(await command.ended()).toBe(0);
  expect(linesOf(file)).toHaveLength(1);
});

it('is no reason to end otherwise when nobody reads it any more', async () => {
  const host = await startSessionHost();
  for (const { command, url } of [
    await startCommand(['--hosts', host.name, '--access-log', 'json']),
    await startWorkers([host.name], ['--access-log', 'json']),
  ]) {
    command.closeOutput();
    for (let i = 0; i < 4; i += 1) await handshake(url);
    command.signal('SIGTERM');
    expect(await command.ended()).toBe(0);
    expect(command.errors).toBe('');
  }
});

it.each([
  ['one process', async (host: string) => startCommand(['--hosts', host, '--access-log', 'json'])],
  ['workers', async (host: string) => startWorkers([host], ['--access-log', 'json'])],
])('with %s stalls nothing when its reader has stalled', async (_, start) => {
  const host = await startSessionHost();
  const { command, url } = await start(host.name);
  command.pauseOutput();
  // More than a pipe takes.
  const hundred = (): unknown => Promise.all(Array.from({ length: 100 }, () => request(`${url}/socket.io/?EIO=3`)));
  for (let i = 0; i < 30; i += 1) await hundred();
  // Of which there is a line in the log too.
  command.signal('SIGHUP');
  command.signal('SIGUSR2');
  await hundred();
  const since = performance.now();
  command.signal('SIGTERM');
  expect(await command.exited()).toBe(0);
  expect(performance.now() - since).toBeGreaterThan(900);
  expect(command.errors).toBe('');
});

it('is no reason to end otherwise when its disk is full', async () => {
  const host = await startSessionHost();
  const args = ['--hosts', host.name, '--access-log', 'json', '--access-log-file', '/dev/full'];
  const { command, url } = await startCommand(args);
  await handshake(url);
  await command.line(/^warn: the access log: ENOSPC/);
  command.signal('SIGTERM');
  expect(await command.ended()).toBe(0);
  expect(command.errors).toBe('');
});

it.each([
  [['--access-log-file', '/dev/null'], '--access-log-file needs --access-log too'],
  [['--access-log', 'json', '--access-log-file', '/nowhere/at/all'], '--access-log-file can not be written: ENOENT'],
  [['--access-log', 'jsn'], "--access-log must be json or common, received 'jsn'"],
])('refuses %j', async (args, message) => {
  const command = new Command(['--hosts', '127.0.0.1:1', ...args]);
  expect(await command.ended()).toBe(2);
  expect(command.errors).toContain(message);
});
