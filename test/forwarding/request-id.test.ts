import { once } from 'node:events';
import type { AccessEntry } from '../../src';
import { handshake, request, startServer, type RequestOptions } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { openWebSocket, startSessionHost } from '../support/session-host';
import { until } from '../support/until';

const UUID = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/;
const POLL = '/socket.io/?EIO=4&transport=polling';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;

type Options = Parameters<typeof startProxy>[0];

interface Seen {
  /** What a host has got under each name that it may read as `X-Request-Id`. */
  ids: string[];
  traceparent: unknown;
  entry: AccessEntry;
}

/** A request, as the host and the access log have it. */
async function seen(options: Options, sent: RequestOptions): Promise<Seen> {
  let raw: string[] = [];
  const host = await startServer((req, res) => {
    if (req.url?.includes('transport=')) raw = req.rawHeaders;
    res.end('0{"sid":"a","pingInterval":25000,"pingTimeout":20000}');
  });
  const { proxy, url }: Started = await startProxy({ hosts: [host.name], ...options });
  await until('it is up', () => proxy.hosts[0]?.state === 'up');
  const accessed = once(proxy, 'access') as Promise<[AccessEntry]>;
  await request(url + POLL, sent);
  const [entry] = await accessed;
  const valuesOf = (name: RegExp): string[] => raw.filter((_, i) => i % 2 === 1 && name.test(raw[i - 1] ?? ''));
  return { ids: valuesOf(/^x[-_]request[-_]id$/i), traceparent: valuesOf(/^traceparent$/i)[0], entry };
}

describe.each([true, false])('with fastPath: %s', (fastPath) => {
  it('each request has an id of its own, for the host and in the access log', async () => {
    const [first, second] = [await seen({ requestId: true, fastPath }, {}), await seen({ requestId: true, fastPath }, {})];
    expect(first.ids).toEqual([expect.stringMatching(UUID)]);
    expect([first.entry.requestId, second.entry.requestId]).toEqual([first.ids[0], second.ids[0]]);
    expect(first.ids).not.toEqual(second.ids);
  });

  it.each<[what: string, options: Options, headers: Record<string, string>, kept: boolean]>([
    ['a client says', {}, { 'X-Request-Id': 'mine' }, false],
    ['a client says by a name that servers take for it', {}, { 'X_Request_Id': 'mine' }, false],
    ['a trusted proxy says', { trustProxy: true }, { 'x-request-ID': 'req/1:a' }, true],
    ['a trusted proxy says in other letters', { trustProxy: true }, { 'X-Request-Id': 'a "b"' }, false],
  ])('the id that %s is kept only where it is trusted', async (_, options, headers, kept) => {
    const { ids, entry } = await seen({ requestId: true, fastPath, ...options }, { headers });
    expect(ids).toEqual([kept ? headers['x-request-ID'] : expect.stringMatching(UUID)]);
    expect(entry.requestId).toBe(ids[0]);
  });

  it('passes on what a client says where the option is off', async () => {
    const { ids, entry } = await seen({ fastPath }, { headers: { 'X-Request-Id': 'mine' } });
    expect([ids, entry.requestId]).toEqual([['mine'], undefined]);
  });

  it.each([
    [TRACEPARENT, TRACE], [`01-${TRACE}-00f067aa0ba902b7-01-more`, TRACE], [`ff-${TRACE}-00f067aa0ba902b7-01`, undefined],
    [`00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, undefined], ['none', undefined],
  ])('traceparent %s reaches the host, and is the trace %s in the access log', async (traceparent, traceId) => {
    const found = await seen({ fastPath }, { headers: { traceparent } });
    expect([found.traceparent, found.entry.traceId]).toEqual([traceparent, traceId]);
  });
});

it('an upgrade has an id, too', async () => {
  const host = await startSessionHost();
  const { proxy, url } = await startProxy({ hosts: [host.name], requestId: true });
  await until('it is up', () => proxy.hosts[0]?.state === 'up');
  await handshake(url);
  const accessed = once(proxy, 'access') as Promise<[AccessEntry]>;
  const socket = await openWebSocket(url);
  socket.terminate();
  const [{ requestId, status }] = await accessed;
  expect([status, requestId]).toEqual([101, expect.stringMatching(UUID)]);
});
