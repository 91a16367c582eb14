import { inspect } from 'node:util';
import { MemoryStore, Proxy } from '../../src';
import type { HashKey } from '../../src/hosts/hash';
import { resolveOptions } from '../../src/options/options';

const common = { store: new MemoryStore(), hosts: ['localhost:3000'] };

/** The message of the TypeError that a proxy with these options throws. */
function messageOf(options: object): string {
  try {
    new Proxy({ ...common, ...options });
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
  return 'no error';
}

describe('checkPath', () => {
  it.each(['/', '/healthz', '/a?b=c&d', '/a%20b'])('takes %s', (checkPath) => {
    expect(resolveOptions({ ...common, checkPath }).checkPath).toBe(checkPath);
  });

  it.each(['', 'healthz', '/a b', '/a#b', '/ü', '/a\r\nb', 'http://a/', 5, null, /^\//])('refuses %p', (checkPath) => {
    const expected = "be a string that begins with '/', in visible ASCII without '#'";
    expect(messageOf({ checkPath })).toBe(`'checkPath' must ${expected}, received ${inspect(checkPath)}`);
  });
});

describe('checkStatus', () => {
  it.each<[text: string, ranges: number[][]]>([
    ['200', [[200, 200]]], ['200-299', [[200, 299]]], ['200,204', [[200, 200], [204, 204]]],
    [' 200 - 299 , 401 ', [[200, 299], [401, 401]]], ['100-599', [[100, 599]]], ['204-204', [[204, 204]]],
  ])('takes %p', (checkStatus, ranges) => {
    expect(resolveOptions({ ...common, checkStatus }).checkStatus).toEqual(ranges);
  });

  const wrong = ['', ',', '200,', '20', '2000', '099', '600', '299-200', '200-', '-299', '2xx', '200;204', 200, null, [200]];

  it.each(wrong)('refuses %p', (checkStatus) => {
    const expected = "list statuses from 100 to 599, as in '200-299' or '200,204'";
    expect(messageOf({ checkStatus })).toBe(`'checkStatus' must ${expected}, received ${inspect(checkStatus)}`);
  });
});

describe('hashBy', () => {
  it.each(['query:room', 'query:a b', 'header:X-User', 'cookie:user.id'])('takes %s', (hashBy) => {
    expect(resolveOptions({ ...common, balance: 'hash', hashBy: hashBy as HashKey }).balance).toEqual({ hashBy });
  });

  it.each([null, '', 'room', 'query:', 'header:a b', 'cookie:a;b', 'body:room', 5])('refuses %p', (hashBy) => {
    const expected = "be 'query:NAME', 'header:NAME' or 'cookie:NAME'";
    expect(messageOf({ balance: 'hash', hashBy })).toBe(`'hashBy' must ${expected}, received ${inspect(hashBy)}`);
  });

  it("is mandatory where balance is 'hash'", () => {
    expect(messageOf({ balance: 'hash' })).toBe("'hashBy' is mandatory where 'balance' is 'hash'");
  });

  it("is refused where balance is not 'hash'", () => {
    const expected = "'hashBy' must be left out unless 'balance' is 'hash', received 'query:room'";
    for (const balance of [undefined, 'random', () => undefined]) expect(messageOf({ balance, hashBy: 'query:room' })).toBe(expected);
  });
});

describe('maxSessions', () => {
  it.each([0, -1, 1.5, 10_000_001, '5', null])('refuses %p', (maxSessions) => {
    expect(messageOf({ maxSessions })).toMatch(/^'maxSessions' must be an integer from 1 to 10000000, received /);
  });
});

describe('healthPath', () => {
  it.each(['/', '/healthz', '/socket.iox', '/socket.io.health', '/a/b'])('takes %s', (healthPath) => {
    expect(resolveOptions({ ...common, healthPath }).healthPath).toBe(healthPath);
  });

  it.each(['', 'healthz', '/a b', '/a?b', '/a#b', '/a%20b', '/ü', '/a/../b', '/a\n', 5, null, true])('refuses %p', (healthPath) => {
    const expected = "be a string that begins with '/', in visible ASCII without '?', '#' and '%'";
    expect(messageOf({ healthPath })).toBe(`'healthPath' must ${expected}, received ${inspect(healthPath)}`);
  });

  it.each([
    ['/socket.io/', '/socket.io/'], ['/socket.io', '/socket.io/'], ['/socket.io/healthz', '/socket.io/'], ['/healthz', '/'],
    ['/chat/healthz', '/chat/'],
  ])('refuses %s where path is %s', (healthPath, path) => {
    expect(messageOf({ healthPath, path })).toBe(`'healthPath' must not lie under 'path', ${path}, received '${healthPath}'`);
  });
});
