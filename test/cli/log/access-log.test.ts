import { execFileSync } from 'node:child_process';
import fs, { constants, existsSync, mkdirSync, openSync, readFileSync, readSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { AccessLog } from '../../../src/cli/log/access-log';
import type { AccessEntry } from '../../../src/serving/access';
import { onCleanup } from '../../support/cleanup';
import { stopClock } from '../../support/clock';
import { startCommand } from '../../support/command';
import { exchangeBytes, handshake, pollUrl, request } from '../../support/http';
import { temporaryFolder } from '../../support/program';
import { startSessionHost, type SessionHost } from '../../support/session-host';
import { until } from '../../support/until';
import { startWorkers } from '../../support/workers';

let host: SessionHost;
beforeAll(async () => {
  host = await startSessionHost();
});

/** What a pipe has. */
function readAll(fd: number): string {
  const bytes = Buffer.alloc(65_536);
  return bytes.toString('utf8', 0, readSync(fd, bytes));
}

const linesOf = (file: string): string[] => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []);

it('is written to the standard output, in the Common Log Format, with nothing that a client could make up', async () => {
  const { command, url } = await startCommand(['--hosts', host.name, '--access-log', 'common']);
  const sid = await handshake(url);
  await request(`${pollUrl(url, sid)}&auth=%22secret`, { method: 'POST', body: '2' });
  const short = sid.slice(0, 6);
  expect(await command.line(/POST/)).toMatch(new RegExp(
    '^127\\.0\\.0\\.1 - - \\[\\d\\d/[A-Z][a-z]{2}/\\d{4}:\\d\\d:\\d\\d:\\d\\d \\+0000\\] ' +
    `"POST /socket\\.io/\\?EIO=4&transport=polling&sid=${short} HTTP/1\\.1" 200 \\d+$`,
  ));
  const bytes = 'GET /a"b\\c HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  await exchangeBytes(Number(new URL(url).port), bytes);
  expect(await command.line(/GET \/a/)).toContain(String.raw`"GET /a\"b\\c HTTP/1.1" 400 `);
  expect(command.output).not.toContain('secret');
  expect(command.output).not.toContain(sid);
});

it('is written to a file by every worker, to a new one after SIGHUP, and goes on where its folder was gone', async () => {
  const folder = join(temporaryFolder('access-'), 'logs');
  mkdirSync(folder);
  const file = join(folder, 'access.log');
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
  const { command, url } = await startCommand(['--hosts', host.name, '--access-log', 'json', '--access-log-file', file]);
  await handshake(url);
  command.signal('SIGTERM');
  expect(await command.ended()).toBe(0);
  expect(linesOf(file)).toHaveLength(1);
});

describe.each([
  ['one process', () => startCommand(['--hosts', host.name, '--access-log', 'json'])],
  ['workers', () => startWorkers([host.name], ['--access-log', 'json'])],
])('with %s', (_, start) => {
  it('is no reason to end otherwise when nobody reads it any more', async () => {
    const { command, url } = await start();
    command.closeOutput();
    for (let i = 0; i < 4; i += 1) await handshake(url);
    command.signal('SIGTERM');
    expect(await command.ended()).toBe(0);
    expect(command.errors).toBe('');
  });

  it('stalls nothing when its reader has stalled', async () => {
    const { command, url } = await start();
    command.pauseOutput();
    // More than a pipe takes, with what has been read ahead here.
    const long = `${url}/${'x'.repeat(4000)}`;
    const some = (count: number): unknown => Promise.all(Array.from({ length: count }, () => request(long)));
    for (let i = 0; i < 4; i += 1) await some(25);
    // Of which there is a line in the log too.
    command.signal('SIGHUP');
    command.signal('SIGUSR2');
    await some(25);
    command.signal('SIGTERM');
    expect(await command.exited()).toBe(0);
    expect(command.errors).toBe('');
  });
});

const ENTRY = {
  time: new Date(0), client: '', method: 'GET', url: '/', httpVersion: '1.1', status: 200, bytes: 0, duration: 1, cause: undefined,
  host: undefined, sid: undefined, requestId: undefined, traceId: undefined,
};

/** An access log to a file, and what it has warned of. */
function logTo(target: string | number, format: 'json' | 'common' = 'json'): { log: AccessLog; told: string[] } {
  const told: string[] = [];
  return { log: new AccessLog({ format, target }, { warn: (_, message) => told.push(message) }), told };
}

it('writes in JSON what JSON.stringify writes, whatever texts there are', async () => {
  const file = join(temporaryFolder('access-'), 'access.log');
  const { log } = logTo(file);
  const odd = ['', 'a', '"', '\\', '\n', '\x7f', '\u0000', 'é', '\u2028', '\ud800', '😀', '[::1]:80', '~]^'];
  const entries = odd.flatMap((text, i): AccessEntry[] => [
    { ...ENTRY, url: text, time: new Date(i), duration: i / 1000 },
    {
      time: new Date(1_790_000_000_000), client: text, method: text, url: text, httpVersion: text, status: 499, bytes: i, duration: 0.001,
      cause: text, host: text, sid: text, requestId: text, traceId: text,
    },
  ]);
  for (const entry of entries) log.write(entry);
  await log.close();
  expect(linesOf(file)).toEqual(entries.map((entry) => JSON.stringify(entry)));
});

it('has each line whole and in its order, however long, in blocks that do not mix in a pipe', async () => {
  const folder = temporaryFolder('access-');
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const fd = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  const written = jest.spyOn(fs, 'write');
  onCleanup(() => written.mockRestore());
  const urls = Array.from({ length: 200 }, (_, i) => `/${i}-${'é'.repeat(i % 100)}`);
  urls.splice(100, 0, `/${'x'.repeat(5000)}`);
  const text = (target: string | number): string =>
    typeof target === 'string' ? readFileSync(target, 'utf8') : readAll(target);
  for (const [target, most, reads] of [[fd, 4096, true], [join(folder, 'file'), 65_536, false]] as const) {
    written.mockClear();
    const { log, told } = logTo(target);
    for (const url of urls) log.write({ ...ENTRY, url });
    // Before it is closed with the log.
    const reader = reads ? openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK) : target;
    await log.close();
    expect(told).toEqual([]);
    expect(text(reader).split('\n').slice(0, -1).map((line) => (JSON.parse(line) as AccessEntry).url)).toEqual(urls);
    const sizes = written.mock.calls.map(([, block]) => Buffer.byteLength(block));
    // One line is longer than a block of a pipe.
    expect(sizes.filter((size) => size > most)).toEqual(reads ? [`${JSON.stringify({ ...ENTRY, url: urls[100] })}\n`.length] : []);
    expect(sizes.length).toBeLessThan(reads ? 30 : 3);
  }
});

it('waits for a second at its end for a reader that has stalled', async () => {
  const clock = stopClock();
  const pipe = join(temporaryFolder('access-'), 'pipe');
  execFileSync('mkfifo', [pipe]);
  const target = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  const told: string[] = [];
  const log = new AccessLog({ format: 'common', target }, { warn: (_, message) => told.push(message) });
  // More than a pipe takes.
  for (let i = 0; i < 100; i += 1) log.write({ ...ENTRY, url: 'x'.repeat(3000) });
  let closed = false;
  const closing = log.close().then(() => (closed = true));
  await clock.advance(999);
  expect(closed).toBe(false);
  await clock.advance(1);
  await closing;
  expect(told).toEqual(['the access log: buffered lines were dropped, as the reader has stalled']);
});

it('counts the lines that it drops while its reader has stalled for long', async () => {
  const clock = stopClock();
  const pipe = join(temporaryFolder('access-'), 'pipe');
  execFileSync('mkfifo', [pipe]);
  const { log, told } = logTo(openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK));
  // Three in a block: what a pipe takes, 8 MiB that wait, and more.
  for (let i = 0; i < 7500; i += 1) log.write({ ...ENTRY, url: 'x'.repeat(1200) });
  expect(told).toEqual(['the access log: 3 lines were dropped, as they came faster than they could be written']);
  const closing = log.close();
  await clock.advance(1000);
  await closing;
  const all = /^the access log: (\d+) lines were dropped in all$/;
  expect(told.slice(1)).toEqual([
    'the access log: buffered lines were dropped, as the reader has stalled', expect.stringMatching(all) as string,
  ]);
  const size = JSON.stringify({ ...ENTRY, url: 'x'.repeat(1200) }).length + 1;
  const kept = 7500 - Number(all.exec(told[2] ?? '')?.[1]);
  expect(kept * size).toBeGreaterThan(8 * 1024 * 1024 - 2 * 4096);
  expect(kept * size).toBeLessThan(8 * 1024 * 1024 + 65_536 + 2 * 4096);
});

it('tells at its end of the lines that it could not write as it had no file', async () => {
  const { log, told } = logTo(join(temporaryFolder('access-'), 'logs', 'access.log'));
  for (let i = 0; i < 4; i += 1) log.write(ENTRY);
  await log.close();
  expect(told).toEqual([
    expect.stringMatching(/^the access log: ENOENT/) as string, 'the access log: 4 lines were dropped in all',
  ]);
});

it('is no reason to end otherwise when its disk is full', async () => {
  const args = ['--hosts', host.name, '--access-log', 'json', '--access-log-file', '/dev/full'];
  const { command, url } = await startCommand(args);
  await handshake(url);
  await command.line(/^warn: the access log: ENOSPC/);
  command.signal('SIGTERM');
  expect(await command.ended()).toBe(0);
  expect(command.errors).toBe('');
});
