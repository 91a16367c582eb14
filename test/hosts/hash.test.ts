import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { Host } from '../../src/hosts/host';
import { chosenBy, createReader, isHashKey, type HashKey } from '../../src/hosts/hash';
import { request } from '../support/http';
import { before, startSessionHosts, type SessionHost } from '../support/session-host';

const QUERY = '/socket.io/?EIO=4&transport=polling';

function hostsOf(weights: number[]): Host[] {
  return weights.map((weight, i) => new Host(`host-${i}:3000`, weight));
}

/** For so many values, which host each has. */
const chosen = (count: number, hosts: Host[]): (string | undefined)[] =>
  Array.from({ length: count }, (_, i) => chosenBy(`user-${i}`, hosts)?.name);

const countOf = (names: (string | undefined)[], { name }: Host): number => names.filter((other) => other === name).length;

function handshakeWith(url: string, headers: IncomingMessage['headers'] = {}): IncomingMessage {
  return Object.assign(new IncomingMessage(new Socket()), { url, headers });
}

describe('the choice by a value', () => {
  it('gives each host its share of the values, by its weight', () => {
    const hosts = hostsOf([1, 1, 2]);
    const [first, second, heavy] = hosts.map((host) => countOf(chosen(8000, hosts), host));
    // 2,000 and 4,000, with a standard deviation of 39 and 45: five of them.
    for (const count of [first, second]) expect(Math.abs((count ?? 0) - 2000)).toBeLessThan(195);
    expect(Math.abs((heavy ?? 0) - 4000)).toBeLessThan(225);
  });

  it('is that of every proxy with these hosts, in whatever order it has them', () => {
    expect(chosen(200, hostsOf([1, 1, 1, 1]).reverse())).toEqual(chosen(200, hostsOf([1, 1, 1, 1])));
  });

  it.each<[string, number[], number[]]>([
    ['is added', [1, 1, 1], [1, 1, 1, 1]],
    ['gets more weight', [1, 1, 1, 1], [1, 1, 1, 3]],
  ])('moves only what the host takes that %s', (_, few, more) => {
    const [then, now] = [chosen(4000, hostsOf(few)), chosen(4000, hostsOf(more))];
    const moved = now.filter((name, i) => name !== then[i]);
    expect([...new Set(moved)]).toEqual(['host-3:3000']);
    const share = (weights: number[]): number => (weights[3] ?? 0) / weights.reduce((a, b) => a + b);
    expect(Math.abs(moved.length / 4000 - (share(more) - share(few)))).toBeLessThan(0.04);
  });
});

describe('the value', () => {
  it.each<[HashKey, string, IncomingMessage['headers'], string | undefined]>([
    ['query:room', `${QUERY}&room=a%20b`, {}, 'a b'],
    ['query:room', `http://example.com${QUERY}&room=a`, {}, 'a'],
    ['query:room', `${QUERY}&rooms=a`, {}, undefined],
    ['query:room', `${QUERY}&room=`, {}, undefined],
    ['header:X-User', QUERY, { 'x-user': 'a' }, 'a'],
    ['header:x-user', QUERY, {}, undefined],
    ['header:constructor', QUERY, {}, undefined],
    ['header:__proto__', QUERY, {}, undefined],
    ['cookie:user', QUERY, { cookie: 'b=c; user=a=1 ; users=d' }, 'a=1'],
    ['cookie:user', QUERY, { cookie: 'users=d' }, undefined],
    ['cookie:user', QUERY, {}, undefined],
  ])('of %s in %s with %j is %s', (key, url, headers, value) => {
    expect(createReader(key)(handshakeWith(url, headers))).toBe(value);
  });

  it.each([undefined, 1, 'room', 'query:', 'body:room', 'header:a b', 'cookie:a=b', 'header:'])('is not named by %s', (key) => {
    expect(isHashKey(key)).toBe(false);
  });
});

describe("balance 'hash'", () => {
  let hosts: SessionHost[];

  beforeAll(async () => {
    hosts = await startSessionHosts(3);
  });

  const open = async (url: string, rest = '', headers = {}): Promise<void> => {
    expect((await request(url + QUERY + rest, { headers })).status).toBe(200);
  };
  /** How many sessions each host gets meanwhile. */
  async function got(act: () => Promise<unknown>): Promise<number[]> {
    const had = hosts.map(({ sids }) => sids.length);
    await act();
    return hosts.map(({ sids }, i) => sids.length - (had[i] ?? 0));
  }

  it.each<[HashKey, string, Record<string, string>]>([
    ['query:room', '&room=blue', {}],
    ['header:x-user', '', { 'X-User': 'anna' }],
    ['cookie:user', '', { Cookie: 'user=anna' }],
  ])('by %s opens all sessions of a value on one host, through any proxy', async (hashBy, rest, headers) => {
    for (const fastPath of [true, false]) {
      const { url } = await before(hosts, { balance: 'hash', hashBy, fastPath });
      const counts = await got(async () => {
        for (let i = 0; i < 20; i += 1) await open(url, rest, headers);
      });
      expect(counts.sort()).toEqual([0, 0, 20]);
    }
  });

  it('leaves it to chance where a handshake has no value', async () => {
    const { url } = await before(hosts, { balance: 'hash', hashBy: 'query:room' });
    const counts = await got(() => Promise.all(Array.from({ length: 60 }, () => open(url))));
    // A host that gets none of 60 has a chance of 3 in 10^11.
    expect(counts.every((count) => count > 0)).toBe(true);
  });

  it('goes on with the next host of the value where that one takes no more', async () => {
    const { proxy, url } = await before(hosts, { balance: 'hash', hashBy: 'query:room', maxSessions: 10 });
    const counts = await got(async () => {
      for (let i = 0; i < 15; i += 1) await open(url, '&room=red');
    });
    expect(counts.sort((a, b) => a - b)).toEqual([0, 5, 10]);
    expect(proxy.hosts.map(({ sessions }) => sessions).sort((a, b) => a - b)).toEqual([0, 5, 10]);
  });
});
