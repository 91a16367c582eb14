import type { IncomingMessage } from 'node:http';
import { clientOf } from '../../src/base/client-address';
import { headerOf, requestHeaders, responseHeaders, type HeaderRules } from '../../src/forwarding/headers';
import { trustProxyOf } from '../../src/base/trusted-networks';
import { Host } from '../../src/hosts/host';

const HOST = new Host('host.example:3000');
const AS_IT_COMES: HeaderRules = { changeOrigin: false, xfwd: false, trustProxy: false, requestId: false, tokens: undefined };

interface Client {
  url?: string;
  address?: string | undefined;
  encrypted?: boolean;
}

/** A request with these headers, one a line. */
function requestOf(lines: string[], { url = '/socket.io/', address, encrypted }: Client = {}): IncomingMessage {
  const pairs = lines.map((line) => line.split(/: ?(.*)/s, 2) as [string, string]);
  const headers: Record<string, string> = {};
  for (const [name, value] of pairs) {
    const key = name.toLowerCase();
    headers[key] = headers[key] === undefined ? value : `${headers[key]}, ${value}`;
  }
  const socket = { remoteAddress: address, ...(encrypted ? { encrypted } : {}) };
  return { url, headers, rawHeaders: pairs.flat(), socket } as unknown as IncomingMessage;
}

const linesOf = (flat: readonly string[]): string[] =>
  Array.from({ length: flat.length / 2 }, (_, i) => `${flat[2 * i]}: ${flat[2 * i + 1]}`);

function forHost(lines: string[], rules: Partial<HeaderRules>, client?: Client): string[] {
  return linesOf(requestHeaders(requestOf(lines, client), HOST, { ...AS_IT_COMES, ...rules }));
}

describe('the headers for a host', () => {
  it.each<[what: string, rules: Partial<HeaderRules>, lines: string[], expected: string, url?: string]>([
    ['the client\'s', {}, ['Host: a.example'], 'a.example'],
    ['that of an absolute target', {}, ['Host: a.example'], 'b.example:81', 'http://b.example:81/socket.io/'],
    ['the host\'s own with changeOrigin', { changeOrigin: true }, ['Host: a.example'], 'host.example:3000'],
    ['the host\'s own where the client names none', {}, [], 'host.example:3000'],
  ])('begin with the name of the host: %s', (_, rules, lines, expected, url = '/socket.io/') => {
    expect(forHost([...lines, 'A: 1'], rules, { url })).toEqual([`Host: ${expected}`, 'A: 1']);
  });

  it('are the client\'s, in their order and spelling, without those of its connection and its body', () => {
    const kept = ['x-B: 1', 'COOKIE: a=1', 'X-a: ', 'x-b: 2', 'Cookie: b: 2'];
    const dropped = [
      'Connection: x-NAMED , close', 'X-named: 1', 'Keep-Alive: timeout=5', 'TE: trailers', 'Trailer: X', 'Upgrade: h2c',
      'Proxy-Connection: close', 'Proxy-Authorization: Basic AA', 'Content-Length: 1', 'Transfer-Encoding: chunked',
    ];
    expect(forHost(['Host: a', ...kept, ...dropped], {})).toEqual(['Host: a', ...kept]);
    expect(forHost(['Host: a', 'Connection: Close, X', 'X: 1', 'A: 1'], {})).toEqual(['Host: a', 'A: 1']);
    expect(forHost(['Host: a', 'Connection: X', 'X: 1', 'close: 1', 'keep-alive: 1'], {})).toEqual(['Host: a', 'close: 1']);
  });

  it.each(['close', 'Keep-Alive', 'UPGRADE'])('have what a Connection of "%s" does not name', (connection) => {
    expect(forHost(['Host: a', `Connection: ${connection}`, 'X: 1', 'Close: 1'], {})).toEqual(['Host: a', 'X: 1', 'Close: 1']);
  });

  const CLAIMS = ['X-Forwarded-For: 203.0.113.7', 'x-forwarded-prefix: /a', 'Forwarded: for=203.0.113.7', 'X-Real-IP: 203.0.113.7'];

  it.each<[Partial<HeaderRules>, expected: string[]]>([
    [{}, []],
    [{ trustProxy: true }, CLAIMS],
    [{ xfwd: true }, ['x-forwarded-proto: http', 'x-forwarded-host: a', 'x-forwarded-port: 80']],
    [{ xfwd: true, trustProxy: true }, [
      'x-forwarded-for: 203.0.113.7', 'x-forwarded-proto: http', 'x-forwarded-host: a', 'x-forwarded-port: 80', ...CLAIMS.slice(1),
    ]],
  ])('have what is claimed of the client only where the proxy trusts it, though Connection names it: %j', (rules, expected) => {
    const lines = ['Host: a', 'Connection: X-Forwarded-For, Forwarded, X-Real-IP, x-forwarded-prefix', ...CLAIMS];
    expect(forHost(lines, rules)).toEqual(['Host: a', ...expected]);
  });

  const TOLD = ['X-Forwarded-For: 1.1.1.1', 'X-Forwarded-Proto: wss', 'X-Forwarded-Host: f:81', 'X-Forwarded-Port: 444'];

  it.each<[what: string, expected: string, trustProxy: boolean, lines: string[], client: Client]>([
    ['what the proxy sees', '127.0.0.1|http|a|80', false, [], { address: '127.0.0.1' }],
    ['what the proxy sees of TLS', '127.0.0.1|https|a|443', false, [], { address: '127.0.0.1', encrypted: true }],
    ['what the proxy sees, whatever is claimed', '127.0.0.1|http|a|80', false, TOLD, { address: '127.0.0.1' }],
    ['what is claimed, and the peer', '1.1.1.1, 2.2.2.2|wss|f:81|444', true, TOLD, { address: '2.2.2.2' }],
    ['what is claimed, where the peer has no address', '1.1.1.1|wss|f:81|444', true, TOLD, {}],
    ['what the proxy sees, where nothing is claimed', '2.2.2.2|http|a|80', true, [], { address: '2.2.2.2' }],
    ['what the proxy sees of a unix socket', '|http|a|80', false, [], {}],
    ['an IPv4 address in IPv6 as what it is', '10.0.0.1|http|a|80', false, [], { address: '::ffff:10.0.0.1' }],
    ['an IPv6 address as it is', '::ffff:a00:1|http|a|80', false, [], { address: '::ffff:a00:1' }],
    ['another IPv6 address with dots as it is', '64:ff9b::10.0.0.1|http|a|80', false, [], { address: '64:ff9b::10.0.0.1' }],
    ['the port of a claimed protocol', '|https, http|a|443', true, ['X-Forwarded-Proto: https, http'], {}],
    ['the port of wss', '|wss, http|a|443', true, ['X-Forwarded-Proto: wss, http'], {}],
    ['the port of ws', '|ws|a|80', true, ['X-Forwarded-Proto: ws'], {}],
    ['the port of the first host that is claimed', '|http|f:81 , g:82|81', true, ['X-Forwarded-Host: f:81 , g:82'], {}],
    ['no port of another host that is claimed', '|http|f, g:82|80', true, ['X-Forwarded-Host: f, g:82'], {}],
    ['the host of an absolute target', '|http|b:81|81', false, [], { url: 'http://b:81/socket.io/' }],
  ])('tell with xfwd %s: %s', (_, expected, trustProxy, lines, client) => {
    const [address, proto, host, port] = expected.split('|');
    const told = [`x-forwarded-for: ${address}`, `x-forwarded-proto: ${proto}`, `x-forwarded-host: ${host}`, `x-forwarded-port: ${port}`];
    const own = client.url ? 'b:81' : 'a';
    expect(forHost(['Host: a', ...lines], { xfwd: true, trustProxy }, client)).toEqual([`Host: ${own}`, ...told.slice(address ? 0 : 1)]);
  });

  it.each([
    ['a:8080', '8080'], ['[2001:db8::1]', '80'], ['[2001:db8::1]:8080', '8080'], ['a:', '80'], ['8080', '80'], ['a:65535', '65535'],
    ['a:65536', '80'], ['a:0', '80'], ['a:-1', '80'], ['a:1.5', '80'],
  ])('tell the port of %s: %s', (host, port) => {
    expect(forHost([`Host: ${host}`], { xfwd: true }).at(-1)).toBe(`x-forwarded-port: ${port}`);
  });

  it('tell of no host where none is named', () => {
    expect(forHost([], { xfwd: true })).toEqual(['Host: host.example:3000', 'x-forwarded-proto: http', 'x-forwarded-port: 80']);
  });
});

describe('the headers for a client', () => {
  const kept = ['X-b: 1', 'Set-Cookie: a=1', 'x-B: ', 'SET-cookie: b=2'];
  const forClient = (lines: string[], status = 200): string[] => linesOf(responseHeaders(requestOf(lines).rawHeaders, status));

  it('are the host\'s, in their order and spelling, without those of its connection', () => {
    const dropped = [
      'Connection: X-Named', 'CONNECTION: x-second, close', 'x-named: 1', 'X-Second: 1', 'Keep-Alive: timeout=5', 'Upgrade: h2c',
      'Transfer-Encoding: chunked', 'Trailer: X', 'Proxy-Authenticate: Basic',
    ];
    expect(forClient([...kept, ...dropped])).toEqual(kept);
    expect(forClient(['Connection: close', 'Close: 1'])).toEqual(['Close: 1']);
  });

  it.each([[200, true], [201, true], [206, true], [304, true], [404, true], [204, false], [199, false], [101, false]])(
    'of status %d have a Content-Length: %p', (status, hasLength) => {
      expect(forClient(['A: 1', 'Content-LENGTH: 2'], status)).toEqual(['A: 1', ...(hasLength ? ['Content-LENGTH: 2'] : [])]);
    },
  );
});

it('finds a header in any spelling, the first of several', () => {
  const headers = ['b', 'a', 'A', '1', 'a', '2'];
  expect([headerOf(headers, 'a'), headerOf(headers, 'b'), headerOf(headers, 'c')]).toEqual(['1', 'a', undefined]);
});

it.each<[what: string, address: string | undefined, claimed: string | undefined, trustProxy: boolean, client: string]>([
  ['the peer', '127.0.0.1', undefined, false, '127.0.0.1'],
  ['the peer, whatever is claimed', '::ffff:127.0.0.1', '1.1.1.1', false, '127.0.0.1'],
  ['the one that the load balancer has seen', '127.0.0.1', '1.1.1.1, 3.3.3.3, 2.2.2.2', true, '2.2.2.2'],
  ['the peer, where the load balancer tells of none', '127.0.0.1', undefined, true, '127.0.0.1'],
  ['the peer, where the load balancer tells of nothing', '127.0.0.1', '1.1.1.1, ', true, '127.0.0.1'],
  ['a unix socket', undefined, undefined, false, 'unix:'],
])('takes for the client %s', (_, address, claimed, trustProxy, client) => {
  const req = requestOf(claimed === undefined ? [] : [`X-Forwarded-For: ${claimed}`], { address });
  expect(clientOf(req, trustProxy)).toBe(client);
});

it.each<[what: string, address: string | undefined, claimed: string, client: string]>([
  ['the last one that is no load balancer\'s', '10.0.0.1', '1.1.1.1, 2.2.2.2, 10.0.0.3, 10.0.0.2', '2.2.2.2'],
  ['the first one, where all are load balancers', '10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
  ['the peer that is no load balancer, whatever is claimed', '3.3.3.3', '1.1.1.1, 10.0.0.2', '3.3.3.3'],
  ['a unix socket, whatever is claimed', undefined, '1.1.1.1, 10.0.0.2', 'unix:'],
  ['what is before a load balancer\'s port', '::ffff:10.0.0.1', '1.1.1.1:9, 2.2.2.2:5, 10.0.0.2:6, [fd00::1]:7, [fd00::2]', '2.2.2.2'],
  ['a text that is no address, as a load balancer sent it', '10.0.0.1', '1.1.1.1, unknown, 10.0.0.2', 'unknown'],
  ['the last load balancer that tells of something', '10.0.0.1', '1.1.1.1, , 10.0.0.2', '10.0.0.2'],
  ['the peer, where it tells of nothing', '10.0.0.1', '1.1.1.1, ', '10.0.0.1'],
  ['the peer, where it does not tell', '10.0.0.1', '', '10.0.0.1'],
])('takes for the client behind load balancers %s', (_, address, claimed, client) => {
  expect(clientOf(requestOf([`X-Forwarded-For: ${claimed}`], { address }), trustProxyOf(['10.0.0.0/8', 'fd00::/8']))).toBe(client);
});
