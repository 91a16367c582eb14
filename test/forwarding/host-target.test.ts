import { hostTarget } from '../../src/forwarding/host-target';
import { Host } from '../../src/hosts/host';
import { Copy, createBinding } from '../../src/sessions/binding';
import { sidOf } from '../../src/routing/sniffer';
import type { SidTokens } from '../../src/sessions/session-store';

const tokens: SidTokens = { add: (sid) => `${sid}.T-_1`, cut: (sid) => sid.slice(0, -5) };

/** What the host of the session gets that the target names. */
function targetAtHost(target: string): string {
  const sid = sidOf(target) ?? '';
  return hostTarget(target, createBinding(sid, new Host('a:1'), 60, Copy.Made), tokens);
}

it.each([
  ['/socket.io/?EIO=4&transport=polling&sid=abc.T-_1', '/socket.io/?EIO=4&transport=polling&sid=abc'],
  ['/socket.io/?sid=abc.T-_1&t=x', '/socket.io/?sid=abc&t=x'],
  ['http://a.example/socket.io/?sid=abc.T-_1', '/socket.io/?sid=abc'],
  // Another member that ends or begins with it stays.
  ['/socket.io/?xsid=abc.T-_1&sid=abc.T-_1&sidx=abc.T-_1', '/socket.io/?xsid=abc.T-_1&sid=abc&sidx=abc.T-_1'],
  ['/socket.io/?a=sid=abc.T-_1&sid=abc.T-_1', '/socket.io/?a=sid=abc.T-_1&sid=abc'],
  ['/socket.io/?sid=abc.T-_1.T-_1&a=abc.T-_1.T-_1', '/socket.io/?sid=abc.T-_1&a=abc.T-_1.T-_1'],
  ['/socket.io/?t=%20&sid=abc.T-_1', '/socket.io/?t=%20&sid=abc'],
  ['/socket.io/?r=/p?sid=abc.T-_1&sid=abc.T-_1', '/socket.io/?r=/p?sid=abc.T-_1&sid=abc'],
  ['/socket.io/&sid=abc.T-_1?EIO=4&sid=abc.T-_1', '/socket.io/&sid=abc.T-_1?EIO=4&sid=abc'],
  ['/socket.io/sid=abc.T-_1?sid=abc.T-_1', '/socket.io/sid=abc.T-_1?sid=abc'],
  // However the client encodes it.
  ['/socket.io/?sid=abc%2ET-_1&t=x', '/socket.io/?sid=abc&t=x'],
  ['/socket.io/?t=%41&%73id=abc.T-_1', '/socket.io/?t=%41&sid=abc'],
  ['/socket.io/?sid=%C3%A9%26%3D%2B%25.T-_1&t=%', '/socket.io/?sid=%C3%A9%26%3D%2B%25&t=%'],
  ['/socket.io/?sid=a+b.T-_1', '/socket.io/?sid=a%20b'],
  ['/socket.io/??sid=b&sid=abc.T-_1', '/socket.io/??sid=b&sid=abc'],
])('sends the host of %s the target %s', (target, atHost) => {
  expect(targetAtHost(target)).toBe(atHost);
  expect(sidOf(atHost)).toBe((sidOf(target) ?? '').slice(0, -5));
});

it('leaves a target as it is where sids have no tokens, or the request has no sid', () => {
  const target = '/socket.io/?EIO=4&transport=polling&sid=abc.T-_1';
  const binding = createBinding('abc.T-_1', new Host('a:1'), 60, Copy.Made);
  expect(hostTarget(target, binding, undefined)).toBe(target);
  expect(hostTarget('/socket.io/?EIO=4&transport=polling', undefined, tokens)).toBe('/socket.io/?EIO=4&transport=polling');
});
