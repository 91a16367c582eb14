import { inspect } from 'node:util';
import { MemoryStore, Proxy } from '../../src';
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
