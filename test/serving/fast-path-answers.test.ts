import type { RequestListener } from 'node:http';
import type { PartialProxyOptions } from '../../src';
import type { AccessEntry } from '../../src/serving/access';
import { PlainResponse } from '../../src/serving/plain-response';
import { KeptClient } from '../support/kept-client';
import { client, get, ok, post, SID, stand, type Stand } from '../support/kept-stand';
import { joinChunks } from '../support/raw-client';
import { until } from '../support/until';

/** What of an answer depends on the clock, or on how many bytes were read at once, is left out. */
function comparable(answer: string): string {
  const [head = '', ...rest] = answer.split(/(?<=\r\n\r\n)/);
  const body = rest.join('');
  return head.replace(/Date: [^\r]+/, 'Date: now') + (/^Transfer-Encoding: chunked\r$/m.test(head) ? joinChunks(body) : body);
}

/** The answers of the fast path: as many as it has given. */
let fast: jest.SpyInstance;

beforeEach(() => {
  fast = jest.spyOn(PlainResponse.prototype, 'end').mockClear();
});

describe('answers and requests are those of Node\'s http', () => {
  /** What clients get and hosts see of some requests on one connection, and how many answers the fast path gave. */
  async function observed(requests: string[], handler: RequestListener, options: PartialProxyOptions): Promise<unknown> {
    const started = await stand(options, handler);
    const kept = await KeptClient.connect(started.port);
    const answers = [await kept.ask(get(''))];
    for (const request of requests) answers.push(await kept.ask(request));
    kept.socket.destroy();
    return { answers: answers.map(comparable), seen: started.seen };
  }

  it.each<[string, string[], RequestListener]>([
    ['polls', [get(), post('3'), get(`&sid=${SID}&t=a`, 'Origin: http://b'), post('\xe9\0\r\n\r\n')], ok],
    ['handshakes', [get(''), get('')], ok],
    ['a handshake that accepts what cannot be read', [get('', 'Accept-Encoding: gzip, zstd')], ok],
    ['fields of a browser', [
      get(`&sid=${SID}`, 'User-Agent: x (y; z)', 'Accept: */*', 'Cookie: a="b"; c=d', 'Connection: keep-alive'),
    ], ok],
    ['forwarding fields', [get(`&sid=${SID}`, 'X-Forwarded-For: 6.6.6.6', 'Forwarded: for=6.6.6.6', 'X-Real-IP: 6.6.6.6')], ok],
    ['an unknown sid', [get('&sid=other', 'Origin: http://b'), get()], ok],
    ['an empty sid', [get('&sid=', 'Origin: http://b'), get()], ok],
    ['two sids', [get(`&sid=${SID}&sid=${SID}`)], ok],
    ['an encoded sid', [get(`&s%69d=s%31${SID.slice(2)}`)], ok],
    ['a forbidden target', [get(`&sid=${SID}&a=\\`)], ok],
    ['a status', [get()], (_, res) => res.writeHead(404, 'Odd Words').end('no')],
    ['a 204', [get(), get()], (_, res) => res.writeHead(204, { 'X-A': 'b' }).end()],
    ['a 304', [get(), get()], (_, res) => res.writeHead(304, { ETag: 'b' }).end()],
    ['no length', [get(), get()], (_, res) => {
      res.write('abc');
      res.end('de');
    }],
    ['an empty body of no length', [get(), get()], (_, res) => {
      res.flushHeaders();
      res.end();
    }],
    ['no date', [get()], (_, res) => {
      res.sendDate = false;
      res.end('ok');
    }],
    ['fields of the connection', [get()], (_, res) => res.writeHead(200, { 'Connection': 'x-a', 'X-A': 'b' }).end('ok')],
    ['bytes beyond ASCII in a head that leaves alone', [get(), get()], ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nX-A: \xe9\xff\r\nContent-Length: 2\r\n\r\n', 'latin1');
      // The proxy reads the head in the next turn.
      setImmediate(() => void setImmediate(() => void setImmediate(() => socket.write('ok'))));
    }],
    ['bytes of all kinds', [get()], (_, res) => res.end(Buffer.from(Array.from({ length: 256 }, (__, i) => i)))],
    ['a large body', [get(), get()], (_, res) => res.end('x'.repeat(300_000))],
    ['a large body of no length', [get(), get()], (_, res) => {
      res.write('x'.repeat(300_000));
      res.end();
    }],
    ['a host that breaks off', [get()], ({ socket }, res) => {
      res.writeHead(200, { 'Content-Length': 9 }).write('abc', () => socket.destroy());
    }],
    ['a host that answers nothing', [post('3')], ({ socket }) => socket.destroy()],
  ])('%s', async (_, requests, handler) => {
    const byNode = await observed(requests, handler, { fastPath: false });
    expect(fast).not.toHaveBeenCalled();
    const writes = jest.spyOn(PlainResponse.prototype, 'writeHead');
    expect(await observed(requests, handler, {})).toEqual(byNode);
    expect(writes).toHaveBeenCalled();
  });

  it.each<[string, (kept: KeptClient, stand: Stand) => Promise<string[]>]>([
    ['a head in two pieces', async (kept, { read }) => {
      kept.socket.write(get().slice(0, 30));
      await read(kept);
      return [await kept.ask(get().slice(30)), await kept.ask(get())];
    }],
    ['a body after its head', async (kept, { read }) => {
      kept.socket.write(post('abcd').slice(0, -4));
      await read(kept);
      return [await kept.ask('abcd'), await kept.ask(get())];
    }],
    ['a body that looks like a request, after its request was refused', async (kept, { read }) => {
      const refused = post(get()).replace(`sid=${SID}`, 'sid=other');
      kept.socket.write(refused.slice(0, -get().length));
      const answers = [await kept.response()];
      kept.socket.write(get());
      await read(kept);
      return [...answers, await kept.ask(post('3'))];
    }],
    ['two requests at once', async (kept) => [await kept.ask(get() + post('3')), await kept.response(), await kept.ask(get())]],
    ['a request and a half', async (kept) => [await kept.ask(get() + post('3').slice(0, 20)), await kept.ask(post('3').slice(20))]],
    ['requests behind one that is served', async (kept, { read, hold }) => {
      const held = await hold(kept);
      kept.socket.write(post('3') + get());
      await read(kept);
      held.end('late');
      return [await kept.response(), await kept.response(), await kept.response(), await kept.ask(get())];
    }],
    ['requests behind one that Node has', async (kept, { read, hold }) => {
      const preflight = get(`&sid=${SID}&hold`).replace('GET', 'OPTIONS');
      const held = await hold(kept, preflight);
      kept.socket.write(post('3'));
      await read(kept);
      held.end('late');
      const answers = [await kept.response(), await kept.response()];
      // In pieces, and whole.
      kept.socket.write(post('abcd').slice(0, -4));
      await read(kept);
      return [...answers, await kept.ask('abcd'), await kept.ask(post('ef')), await kept.ask(get())];
    }],
    ['requests behind one whose body comes in pieces', async (kept, { read, hold }) => {
      const slow = post('abcd').replace(`sid=${SID}`, `sid=${SID}&hold`);
      kept.socket.write(slow.slice(0, -2));
      await read(kept);
      const held = await hold(kept, slow.slice(-2));
      kept.socket.write(post('3'));
      await read(kept);
      held.end('late');
      return [await kept.response(), await kept.response(), await kept.ask(post('ef')), await kept.ask(post('gh'))];
    }],
    ['more fields than servers read', async (kept) => {
      const lines = Array.from({ length: 1100 }, (_, i) => `X-${i}: a`);
      return [await kept.ask(get(`&sid=${SID}`, ...lines.slice(0, 500))), await kept.ask(get(`&sid=${SID}`, ...lines))];
    }],
    ['another method in between', async (kept) => [
      await kept.ask(get()), await kept.ask(get().replace('GET', 'OPTIONS')), await kept.ask(get()),
    ]],
    ['a refusal that ends the connection', async (kept) => [await kept.ask(get()), await kept.ask(get(`&sid=${SID}`, 'Connection: host'))]],
    ['a malformed head', async (kept) => [await kept.ask(get()), await kept.ask('GET / HTTP/1.1\r\nA B: c\r\n\r\n')]],
    ['Connection: close', async (kept) => [await kept.ask(get()), await kept.ask(get(`&sid=${SID}`, 'Connection: close'))]],
  ])('%s', async (_, converse) => {
    const [byNode, byUs] = [[], []] as string[][];
    for (const [answers, fastPath] of [[byNode, false], [byUs, true]] as const) {
      const started = await stand({ fastPath });
      answers?.push(...await converse(await client(started), started), ...started.seen);
    }
    expect(byUs?.map(comparable)).toEqual(byNode?.map(comparable));
    expect(byNode).not.toContain('');
  });

  it('in the entries of an access log', async () => {
    const told: AccessEntry[][] = [];
    for (const fastPath of [false, true]) {
      const { proxy, port } = await stand({ fastPath });
      const entries: AccessEntry[] = [];
      proxy.on('access', (entry) => void entries.push(entry));
      const kept = await client({ port });
      for (const bytes of [get(), post('3'), get('&sid=other')]) await kept.ask(bytes);
      await until('all are told', () => entries.length === 4);
      told.push(entries);
    }
    const [byNode, byUs] = told.map((entries) => entries.map(({ time, duration, host, ...rest }) => {
      expect([time, duration, host]).toEqual([expect.any(Date), expect.any(Number), rest.status === 200 ? expect.any(String) : undefined]);
      return rest;
    }));
    expect(byUs).toEqual(byNode);
    expect(fast).toHaveBeenCalledTimes(3);
  });
});
