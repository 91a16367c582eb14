// Puts faults into a copy of src/, one at a time, and runs the fuzz of framings on each: it has to find every one.
//   node test/framing-mutants.mjs [part of a name]
//   node test/framing-mutants.mjs --check     looks only whether each fault can still be put in
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');

const COPIED = ['src', 'test', 'package.json', 'tsconfig.json'];
const RUN = [join(ROOT, 'node_modules/jest/bin/jest.js'), '--bail', '--forceExit'];
/** In so many connections its seed meets each fault. */
const env = { ...process.env, FUZZ_CONNECTIONS: '1200' };
/** How the fuzz tells of a request; else its first line is shown. */
const TOLD = /^ {4}(?:strict|node|answers|framed|not one|no |Node)/;

const NAMED_REFUSED = ['src/routing/request-checks.ts', 'if (namesFraming(value)) return refusals.namedFraming;', ''];
const FIELD_CASE = 'case Field.EndToEnd: ';
const WITH_LENGTH = ': `Content-Length: ${body.length}\\r\\n`';
const ON_SOCKET = 'request.once(\'socket\', (socket) => {\n';

/** An edit of a file: what is replaced, and by what. */
const body = (from, to) => ['src/forwarding/request-body.ts', from, to];
const checks = (from, to = '') => ['src/routing/request-checks.ts', from, to];
const connection = (from, to) => ['src/forwarding/connection.ts', from, to];
const fast = (from, to) => ['src/serving/fast-connection.ts', from, to];
const headers = (from, to) => ['src/forwarding/headers.ts', from, to];

/** Name, and edits. */
const FAULTS = [
  ['the fault of the review: framing is the client\'s, less what Connection names', [
    NAMED_REFUSED,
    connection('= framingField(method, body);', '= typeof body === \'string\' ? \'\' : framingField(method, body);'),
    headers(FIELD_CASE, 'case Field.EndToEnd: case Field.ContentLength: '),
  ]],
  ['Connection may name framing', [NAMED_REFUSED]],
  ['Connection: host takes Host away', [
    NAMED_REFUSED,
    headers('  if (xfwd) pushForwarded', '  if (named?.has(\'host\')) headers.length = 0;\n  if (xfwd) pushForwarded'),
  ]],
  ['the names in Connection are not trimmed', [checks('FRAMING.has(token.trim())', 'FRAMING.has(token)')]],
  ['the names in Connection are compared by case', [checks('connection.toLowerCase().split', 'connection.split')]],
  ['a gathered body is announced by one byte less', [body('Content-Length: ${body.length}', 'Content-Length: ${body.length - 1}')]],
  ['a gathered body is sent in UTF-8', [connection('socket.write(head + body, \'latin1\')', 'socket.write(head + body)')]],
  ['of a gathered body the first piece is sent', [body('Buffer.concat(chunks)', 'Buffer.concat(chunks.slice(0, 1))')]],
  ['a body is framed in both ways', [body(WITH_LENGTH, WITH_LENGTH.replace('`Con', '`Transfer-Encoding: chunked\\r\\nCon'))]],
  ['the sizes of chunks are decimal', [body('chunk.length.toString(16)', 'chunk.length.toString(10)')]],
  ['the last chunk is not sent', [body('this.#socket.write(\'0\\r\\n\\r\\n\', \'latin1\')', 'this.#socket.write(\'\')')]],
  ['a length and chunks may both be there', [checks('if (length !== undefined || encoding', 'if (encoding')]],
  ['any encoding is taken for chunked', [checks(' || encoding.toLowerCase() !== \'chunked\'')]],
  ['two Host fields pass', [checks('if (hosts > 1) return refusals.badHost;')]],
  ['hidden fields are not noticed', [checks('if (rawHeaders.length > 2 * maxFields) return refusals.tooManyFields;')]],
  ['any version passes', [checks('if (httpVersionMajor !== 1 || httpVersionMinor > 1) return refusals.badVersion;')]],
  ['control characters pass', [checks('if (!isFieldValue(value)) return refusals.badField;')]],
  ['malformed names pass', [checks('case Field.Malformed: return refusals.badField;')]],
  ['names with underscores pass', [['src/base/fields.ts', 'Field.EndToEnd : Field.Disguised', 'Field.EndToEnd : Field.EndToEnd']]],
  ['Expect passes', [headers(FIELD_CASE, 'case Field.EndToEnd: case Field.Expect: ')]],
  ['what Connection names passes', [
    headers('!named?.has(name.toLowerCase())) headers.push(name, value)', 'true) headers.push(name, value)'),
  ]],
  ['X-Forwarded-For is believed', [headers('if (isTrusted && !xfwd) headers.push', 'headers.push')]],
  ['the absolute form goes on as it came', [['src/forwarding/host-target.ts', 'const target = originFormOf(url)', 'const target = url']]],
  ['a target in absolute form does not say the host', [headers('return authorityOf(url) ?? headers.host;', 'return headers.host;')]],
  ['a connection is kept although its request is not whole', [connection('if (this.#body?.isWhole === false)', 'if (false)')]],
  ['a connection is kept after the answer to HEAD', [['src/forwarding/response-parser.ts', ' || (hasNoBody && length !== 0)', '']]],
  ['what follows an upgrade is sent before it is accepted', [
    ['src/forwarding/tunnel.ts', ON_SOCKET, `${ON_SOCKET}socket.once('connect', () => setImmediate(() => socket.write(this.#head)));\n`],
  ]],
  ['an upgrade may have a body', [
    checks(' || isWebSocket(req);', ';'),
    checks('!mayHaveBody(req.method ?? \'\')', '!mayHaveBody(req.method ?? \'\') && !isWebSocket(req)'),
  ]],
  ['the fast path takes a body for whole that is not', [fast('if (missing === 0 && this.#state', 'if (missing >= 0 && this.#state')]],
  ['the fast path takes what follows a body for nothing', [
    fast('missing < 0) {', 'false) {'), fast('if (missing === 0 && this.#state', 'if (missing <= 0 && this.#state'),
  ]],
  ['a request goes on whose client has gone', [headers('return socket.destroyed || (', 'return socket === undefined && (')]],
];

const JEST = `module.exports = {
  testEnvironment: 'node',
  testMatch: ['**/test/forwarding/framing-fuzz.test.ts'],
  testTimeout: 90_000,
  transform: { '\\\\.ts$': ['@swc/jest', { swcrc: false, jsc: { target: 'es2022', parser: { syntax: 'typescript' } } }] },
};`;

/** @returns what the fuzz says of a copy with the fault; `undefined` where it finds nothing. */
function find(edits) {
  const copy = mkdtempSync(join(tmpdir(), 'framing-'));
  try {
    for (const name of COPIED) cpSync(join(ROOT, name), join(copy, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    writeFileSync(join(copy, 'jest.config.js'), JEST);
    for (const [file, from, to] of edits) {
      const text = readFileSync(join(copy, file), 'utf8');
      writeFileSync(join(copy, file), text.replace(from, () => to));
    }
    const { status, stdout, stderr } = spawnSync('node', RUN, { cwd: copy, encoding: 'utf8', env });
    if (status === 0) return undefined;
    const lines = `${stdout}${stderr}`.split('\n');
    return (lines.find((line) => TOLD.test(line)) ?? lines.find((line) => /^ {4}\S/.test(line)) ?? 'it failed').trim();
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

const [part = ''] = process.argv.slice(2);
for (const [name, edits] of FAULTS) {
  for (const [file, from] of edits) {
    if (readFileSync(join(ROOT, file), 'utf8').split(from).length !== 2) throw new Error(`${name}: ${file} does not have once: ${from}`);
  }
}
if (part === '--check') process.exit();
if (find([]) !== undefined) throw new Error('the fuzz fails without a fault');
let missed = 0;
for (const [name, edits] of FAULTS.filter(([each]) => each.includes(part))) {
  const found = find(edits);
  if (found === undefined) missed += 1;
  process.stdout.write(`${found === undefined ? 'MISSED' : 'found '} ${name}${found === undefined ? '' : `: ${found.slice(0, 160)}`}\n`);
}
process.exitCode = missed > 0 ? 1 : 0;
