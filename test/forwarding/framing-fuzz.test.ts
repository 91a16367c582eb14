import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { PlainResponse } from '../../src/serving/plain-response';
import { handshake } from '../support/http';
import { readByNode, turn, type ReadRequest } from '../support/node-reader';
import { startProxy } from '../support/proxy';
import { Random } from '../support/random';
import { idOf, isAccepted, isEarly, startRecordingHost } from '../support/recording-host';
import { generate, generatePlain, type Sent } from '../support/request-generator';
import { hostSid } from '../support/stores';
import { valuesOf } from '../support/strict-reader';
import { onCleanup } from '../support/cleanup';

/** An hour on demand: `FUZZ_SECONDS=3600`. Without it so many connections are made; planted faults take more of them. */
const SECONDS = Number(process.env.FUZZ_SECONDS ?? 0);
const CONNECTIONS = Number(process.env.FUZZ_CONNECTIONS ?? 360);
const SEED = Number(process.env.FUZZ_SEED ?? (SECONDS > 0 ? randomInt(1_000_000_007) : 2026));
/** How many connections are open at once, so that those to the host are shared. */
const BATCH = 12;
/** How long a client waits before that is told, in ms: much longer than any answer takes. */
const UNANSWERED = 60_000;
/** How many batches are remembered: what a client that has left had sent may arrive late. */
const REMEMBERED = 20;

/** What the proxy writes itself. */
const OWN = new Set([
  'host', 'connection', 'content-length', 'transfer-encoding', 'upgrade', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host',
  'x-forwarded-port',
]);
/** What a host must never read as the client's word, with each character that no variable's name has as a hyphen. */
const GUARDED = new RegExp(`^(?:${[
  'host', 'connection', 'content-length', 'transfer-encoding', 'expect', 'keep-alive', 'proxy-connection', 'proxy-authenticate',
  'proxy-authorization', 'te', 'trailer', 'upgrade', 'x-forwarded-.*', 'forwarded', 'x-real-ip',
].join('|')})$`);
const NEVER_NAMED = ['host', 'content-length', 'transfer-encoding'];
const ABSOLUTE = /^https?:\/\/([^/@]+)(?=\/)/i;
const SID = /(?<=[?&]sid=)[^&]+/;

interface Expected {
  request: ReadRequest;
  seenBy: Set<string>;
}

/** What has failed, soon after. */
class Failures {
  seed = SEED;
  readonly rejected: Promise<never>;
  readonly #texts: string[] = [];
  #reject: ((error: Error) => void) | undefined;

  constructor() {
    this.rejected = new Promise((_, reject) => (this.#reject = reject));
    this.rejected.catch(() => {});
  }

  add(text: string): void {
    if (this.#texts.push(text) > 1) return;
    const { seed } = this;
    setImmediate(() => this.#reject?.(new Error(`FUZZ_SEED=${seed} shows it at once:\n${this.#texts.slice(0, 5).join('\n')}`)));
  }
}

const namedIn = ({ fields }: ReadRequest): string[] =>
  valuesOf(fields, 'connection').flatMap((value) => value.toLowerCase().split(',')).map((token) => token.trim());

/** Why no host may see it, where none may. */
function mayNotPass(request: ReadRequest): string | undefined {
  const { fields, version, method, body } = request;
  if (version !== '1.1' && version !== '1.0') return `HTTP/${version}`;
  if (namedIn(request).some((token) => NEVER_NAMED.includes(token))) return 'names framing';
  if (fields.length > 2000) return 'has too many fields';
  if (fields.some((text) => /[^\t\x20-\x7e\x80-\xff]/.test(text))) return 'has control characters';
  if (fields.some((text, i) => i % 2 === 0 && !/^[\w!#$%&'*+.^`|~-]+$/.test(text))) return 'has a malformed name';
  if (valuesOf(fields, 'host').length > 1) return 'has two hosts';
  if (valuesOf(fields, 'content-length').length + valuesOf(fields, 'transfer-encoding').length > 1) return 'is framed twice';
  if (!/^(?:chunked)?$/i.test(valuesOf(fields, 'transfer-encoding').join())) return 'has an unknown encoding';
  if (request.isUpgrade) return Number(valuesOf(fields, 'content-length')[0] ?? 0) > 0 ? 'is an upgrade with a body' : undefined;
  return body.length > 0 && !['POST', 'PUT', 'PATCH'].includes(method) ? 'has a body' : undefined;
}

/** The fields that are the host's to read. */
function endToEnd(request: ReadRequest): string[] {
  const named = namedIn(request);
  return request.fields.flatMap((name, i) => {
    const key = name.toLowerCase();
    if (i % 2 === 1 || named.includes(key) || GUARDED.test(key.replace(/[^a-z\d]/g, '-'))) return [];
    return [`${name}: ${request.fields[i + 1] ?? ''}`];
  });
}

/** What differs between a request as a host has read it and as Node's parser has read it from its client. */
function differences(seen: ReadRequest, { request, seenBy }: Expected, reader: string): string[] {
  const found: string[] = [];
  const expect = (what: string, is: unknown, should: unknown): void => {
    if (JSON.stringify(is) !== JSON.stringify(should)) found.push(`${what}: ${JSON.stringify(is)}, not ${JSON.stringify(should)}`);
  };
  const never = mayNotPass(request);
  if (never !== undefined) found.push(`it ${never}`);
  if (seenBy.has(reader)) found.push('it came twice');
  seenBy.add(reader);
  const authority = ABSOLUTE.exec(request.target)?.[1];
  const host = authority ?? valuesOf(request.fields, 'host')[0];
  expect('method', seen.method, request.method);
  expect('target', seen.target, request.target.replace(ABSOLUTE, '').replace(SID, hostSid));
  expect('upgrade', seen.isUpgrade, request.isUpgrade);
  expect('version', seen.version, '1.1');
  if (host !== undefined) {
    expect('Host', valuesOf(seen.fields, 'host'), [host]);
    if (host !== '') expect('X-Forwarded-Host', valuesOf(seen.fields, 'x-forwarded-host'), [host]);
  }
  expect('X-Forwarded-For', valuesOf(seen.fields, 'x-forwarded-for'), ['127.0.0.1']);
  expect('fields', seen.fields.flatMap((name, i) =>
    (i % 2 === 1 || OWN.has(name.toLowerCase()) ? [] : [`${name}: ${seen.fields[i + 1] ?? ''}`])), endToEnd(request));
  const isPart = seen.isUpgrade || !seen.isWhole || !request.isWhole;
  const body = isPart ? request.body.subarray(0, seen.body.length) : request.body;
  if (!withoutOtherUpgrades(seen.body).equals(body)) expect('body', seen.body.toString('latin1'), request.body.toString('latin1'));
  if (seen.isWhole && !request.isWhole) found.push('its body has ended');
  if (seen.isUpgrade && !isAccepted(seen.target) && seen.body.length > 0) found.push('bytes follow an upgrade that was not accepted');
  return found;
}

/** Sends what a client sends, and resolves with the answers once there are as many as are to come. Each of `first` is answered before. */
async function exchange(
  port: number, first: Buffer[], { bytes, cuts }: Sent, answers: number, isBroken: boolean, unanswered: (bytes: Buffer) => void,
): Promise<string> {
  const guard = setTimeout(() => unanswered(bytes), UNANSWERED);
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  const closed = new Promise((resolve) => socket.once('close', resolve));
  let text = '';
  let awaited = '';
  let answered = (): void => {};
  socket.on('error', () => {}).on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    if (awaited !== '' && text.includes(awaited)) answered();
    else if (awaited === '' && !isBroken && answers > 0 && (text.match(/HTTP\/1\.1 (?!100 )/g) ?? []).length >= answers) socket.destroy();
  });
  await Promise.race([once(socket, 'connect').catch(() => {}), closed]);
  for (const request of first) {
    awaited = `<${idOf(request.toString('latin1')) ?? ''}>`;
    const answer = new Promise<void>((resolve) => (answered = resolve));
    socket.write(request);
    await Promise.race([answer, closed]);
    if (!text.includes(awaited)) unanswered(request);
  }
  awaited = '';
  text = '';
  for (const [i, at] of [0, ...cuts].entries()) {
    socket.write(bytes.subarray(at, cuts[i] ?? bytes.length));
    await turn();
  }
  // Nothing is to come: what is there is the beginning of a request.
  if (answers === 0 && !isBroken) {
    for (let i = 0; i < 10; i += 1) await turn();
    socket.destroy();
  }
  await closed;
  clearTimeout(guard);
  return text;
}

/** An upgrade to anything but WebSocket is none. In its place stands a field that goes no further either. */
function withoutOtherUpgrades(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('latin1').replaceAll('Upgrade: h2c', 'Trailer: h2c'), 'latin1');
}

/** The ids of answers, in order, are those of requests of this connection, in order. */
function isInOrder(answers: string[], ids: string[]): boolean {
  let at = 0;
  return answers.every((id) => (at = ids.indexOf(id, at) + 1) > 0);
}

/** A caller's server, or `undefined` for the proxy's own. */
async function serverOf(isOwn: boolean, insecureHTTPParser: boolean): Promise<{ server?: http.Server }> {
  if (isOwn) return {};
  const server = http.createServer({ insecureHTTPParser }).listen(0, '127.0.0.1');
  onCleanup(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  return { server };
}

describe.each([
  ['a strict parser', false, false], ['a lenient parser', true, false], ['the fast path', false, true],
] as const)('behind %s', (_, isLenient, isOwn) => {
  it(`a host sees what Node's parser has read from the client, or less (seed ${SEED})`, async () => {
    const expected = new Map<string, Expected>();
    const failures = new Failures();
    const count = { requests: 0, whole: 0, streamed: 0, upgrades: 0, sessions: 0 };
    const name = await startRecordingHost({
      onFault: (fault) => failures.add(fault),
      onRequest: (seen, reader) => {
        const known = expected.get(idOf(seen.target) ?? '');
        const found = known ? differences(seen, known, reader) : ['it was hidden'];
        if (found.length > 0) failures.add(`${reader}: ${seen.method} ${seen.target}: ${found.join('; ')}`);
        count.upgrades += Number(seen.isUpgrade);
        count.sessions += Number(seen.target.includes('sid='));
        if (!seen.isWhole) return;
        count.whole += 1;
        count.streamed += Number(seen.body.length > 16_384);
      },
    });
    const fast = jest.spyOn(PlainResponse.prototype, 'writeHead');
    const { port, url } = await startProxy({
      hosts: [name], ...await serverOf(isOwn, isLenient), changeOrigin: false, checkInterval: 60_000, hostKeepAlive: 60_000,
    });
    const sid = await handshake(url);

    // Its seed makes a connection what it is, its ids too.
    const converse = async (batch: number, place: number): Promise<string[]> => {
      const random = new Random(Math.imul(batch, BATCH) + place);
      let ids = place * 100;
      const sent = generate(random, () => `${batch}-${ids += 1}`, sid);
      failures.seed = batch;
      // The fast path begins with a connection's second request.
      const first = Array.from({ length: isOwn ? 4 : 0 }, (__, i) => generatePlain(random, `${batch}-${place}-${'abcd'[i] ?? ''}`, sid));
      const { requests, isBroken } = await readByNode(withoutOtherUpgrades(sent.bytes), isLenient);
      const own = requests.map(({ target }) => idOf(target) ?? '');
      for (const bytes of first) {
        const [request] = (await readByNode(bytes, false)).requests;
        if (request) expected.set(idOf(request.target) ?? '', { request, seenBy: new Set() });
      }
      for (const [i, request] of requests.entries()) expected.set(own[i] ?? '', { request, seenBy: new Set() });
      const whole = requests.filter(({ isWhole }) => isWhole);
      count.requests += whole.length;
      const unanswered = (asked: Buffer): void => failures.add(`no answer: ${JSON.stringify(asked.toString('latin1'))}`);
      const last = requests.at(-1);
      // What the host answers early is never sent whole: the next request must not be taken for the rest of it.
      const isHeld = !isBroken && last?.isWhole === true && !last.isUpgrade && isEarly(last.target) && last.body.length > 16_384;
      if (isHeld) sent.bytes = sent.bytes.subarray(0, -10);
      const text = await exchange(port, first, sent, whole.length, isBroken, unanswered);
      const answers = Array.from(text.matchAll(/<([\w-]+)>/g), ([, id]) => id ?? '');
      if (text.includes('stray') || !isInOrder(answers, own)) failures.add(`answers: ${JSON.stringify(text)}`);
      return own;
    };

    const duration = { isOver: false };
    const timer = setTimeout(() => (duration.isOver = true), SECONDS * 1000);
    onCleanup(() => clearTimeout(timer));
    const batches: string[][] = [];
    for (let at = 0; SECONDS > 0 ? !duration.isOver : at < CONNECTIONS; at += BATCH) {
      const batch = Promise.all(Array.from({ length: BATCH }, (__, place) => converse(SEED + at, place)));
      // Who is left without an answer may wait for it for good.
      batches.push((await Promise.race([batch, failures.rejected])).flat());
      if (batches.length > REMEMBERED) for (const id of batches.shift() ?? []) expected.delete(id);
    }
    if (process.env.FUZZ_COUNTS) process.stderr.write(`${JSON.stringify(count)}\n`);
    // Else there would be nothing that was compared. Each request is read twice.
    expect(count.whole).toBeGreaterThan(count.requests / 2);
    for (const some of [count.streamed, count.upgrades, count.sessions]) expect(some).toBeGreaterThan(count.requests / 100);
    if (isOwn) expect(fast.mock.calls.length).toBeGreaterThan(count.requests / 4);
    else expect(fast).not.toHaveBeenCalled();
  }, (SECONDS + 120) * 1000);
});
