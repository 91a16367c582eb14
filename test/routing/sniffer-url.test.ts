import { randomInt } from 'node:crypto';
import querystring from 'node:querystring';
import { MAX_SID_LENGTH, mayOpenByPolling, sidOf } from '../../src/routing/sniffer';

describe('sidOf', () => {
  it.each([
    ['no query', '/socket.io/', undefined],
    ['an empty query', '/socket.io/?', undefined],
    ['a query without sid', '/socket.io/?EIO=4&transport=polling', undefined],
    ['sid', '/socket.io/?EIO=4&transport=polling&sid=abc', 'abc'],
    ['sid first', '/socket.io/?sid=abc&EIO=4', 'abc'],
    ['an equals sign in the value', '/?sid=a=b==', 'a=b=='],
    ['a question mark in the value', '/?sid=a?sid=b', 'a?sid=b'],
    ['a second question mark before the name', '/??sid=abc', undefined],
    ['a second question mark before the name, and an encoded value', '/??sid=a%20c', undefined],
    ['an encoded value', '/?sid=%C3%A9%2B%25%20', 'é+% '],
    ['a plus', '/?sid=a+b', 'a b'],
    ['an encoded name', '/?%73id=abc', 'abc'],
    ['an encoded equals sign in the name', '/?sid%3Dabc', undefined],
    ['an escape that is none', '/?sid=a%zz', 'a%zz'],
    ['a cut escape', '/?sid=a%4', 'a%4'],
    ['names that end in sid', '/?xsid=a&x-sid=b', undefined],
    ['names that begin with sid', '/?sidx=a&sid[]=b&sid.c', undefined],
    ['another case', '/?SID=abc', undefined],
    ['another parameter whose value is sid', '/?t=sid&u=sid=', undefined],
    ['sid in the path', '/sid=abc/?t=1', undefined],
    ['sid in the path, and no query', '/socket.io&sid=abc', undefined],
    ['an empty sid', '/?sid=&t=1', ''],
    ['a sid without equals sign', '/?t=1&sid', ''],
    ['two sids', '/?sid=a&sid=b', ''],
    ['the same sid twice', '/?sid=a&t=1&sid=a', ''],
    ['an empty sid and a sid', '/?sid&sid=a', ''],
    ['a sid and an encoded one', '/?sid=a&s%69d=b', ''],
  ])('reads %s', (_, url, sid) => {
    expect(sidOf(url)).toBe(sid);
  });

  it.each([['plain', 'x'], ['encoded', '%41']])('takes no %s sid that is too long', (_, character) => {
    expect(sidOf(`/?sid=${character.repeat(MAX_SID_LENGTH)}`)).toHaveLength(512);
    expect(sidOf(`/?sid=${character.repeat(MAX_SID_LENGTH + 1)}`)).toBe('');
  });

  it('reads what the servers read, for any query', () => {
    const seed = randomInt(2 ** 31);
    const random = randomOf(seed);
    for (let i = 0; i < 3000; i++) {
      const query = randomQuery(random);
      const sids = new URL(`http://host/socket.io/?${query}`).searchParams.getAll('sid');
      // Socket.IO 2 and 3 read the query with this one.
      expect({ seed, query, sids: querystring.parse(query).sid })
        .toEqual({ seed, query, sids: sids.length > 1 ? sids : sids[0] });
      expect({ seed, query, sid: sidOf(`/socket.io/?${query}`) })
        .toEqual({ seed, query, sid: sids.length > 1 ? '' : sids[0] });
    }
  });
});

/** Mulberry32: a seed gives the same numbers everywhere. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function randomQuery(random: (below: number) => number): string {
  const names = ['sid', 'sid', 's%69d', '%73%69%64', 'xsid', 'sidx', 'sid+', 'SID', 't', 'sid%3D', '%', '?sid', ''];
  const pieces = ['a', 'Z', '0', '%20', '%2B', '+', '%25', '%C3%A9', '%ff', '%zz', '%', '%4', '"', '=', '?', 'sid'];
  const pick = (list: string[]): string => list[random(list.length)] ?? '';
  const pairs = Array.from({ length: random(5) }, () => {
    const value = Array.from({ length: random(5) }, () => pick(pieces)).join('');
    return pick(names) + (random(5) === 0 ? '' : `=${value}`);
  });
  return pairs.join('&');
}

describe('mayOpenByPolling', () => {
  it.each([
    ['/socket.io/?EIO=4&transport=polling', true],
    ['/socket.io/?transport=polling&EIO=3&j=0', true],
    ['/socket.io/?transport=pollin%67', true],
    ['/socket.io/?transport=websocket&t=%20', false],
    ['/socket.io/?EIO=4&transport=websocket', false],
    ['/socket.io/?EIO=4&transport=polling2', false],
    ['/socket.io/?EIO=4&xtransport=polling', false],
    ['/socket.io/', false],
  ])('of %s is %s', (url, expected) => {
    expect(mayOpenByPolling(url)).toBe(expected);
  });
});
