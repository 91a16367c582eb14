import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { onCleanup } from '../../support/cleanup';
import { CLI, Script } from '../../support/command';
import { examplePath, readExample } from '../../support/examples';
import { request, startServer } from '../../support/http';
import { KeptClient } from '../../support/kept-client';
import { lastingPort } from '../../support/program';
import { until } from '../../support/until';

/** A span as OTLP has it, with its attributes by name. */
interface Span {
  traceId: string;
  parentSpanId?: string;
  kind: number;
  name: string;
  attributes: Record<string, unknown>;
}

interface Traces {
  resourceSpans: { scopeSpans: { spans: (Omit<Span, 'attributes'> & { attributes: { key: string; value: object }[] })[] }[] }[];
}

const SERVER = 2;
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const traceparent = (span: string): string => `00-${TRACE}-${span}-01`;

/** Takes spans as a collector does. */
async function startCollector(): Promise<{ url: string; spans: Span[]; text: () => string }> {
  const spans: Span[] = [];
  let text = '';
  const { name } = await startServer((req, res) => {
    let body = '';
    req.on('data', (chunk: Buffer) => (body += chunk.toString()));
    req.on('end', () => {
      if (req.url === '/v1/traces') {
        text += body;
        const all = (JSON.parse(body) as Traces).resourceSpans.flatMap(({ scopeSpans }) => scopeSpans).flatMap((scope) => scope.spans);
        for (const { attributes, ...span } of all) {
          spans.push({ ...span, attributes: Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]])) });
        }
      }
      res.setHeader('Content-Type', 'application/json').end('{}');
    });
  });
  return { url: `http://${name}`, spans, text: () => text };
}

/** What a request tells of its trace. */
const traceOf = ({ headers }: IncomingMessage): unknown[] => [headers.traceparent, headers.tracestate, headers.baggage];

/** A server of Socket.IO that tells of which trace each of its requests is, but for health checks. */
async function startTold(): Promise<{ name: string; polls: unknown[][]; upgrades: unknown[][] }> {
  const { server, name } = await startServer((_, res) => res.end());
  const sockets = new Server(server);
  onCleanup(() => sockets.close());
  sockets.on('connection', (socket) => socket.on('echo', (value: unknown, done: (value: unknown) => void) => done(value)));
  const polls: unknown[][] = [];
  const upgrades: unknown[][] = [];
  server.prependListener('request', (req) => req.url?.includes('?') && polls.push(traceOf(req)));
  server.prependListener('upgrade', (req) => upgrades.push(traceOf(req)));
  return { name, polls, upgrades };
}

/** The command with the example's tracing, before such a server. */
async function start(flags: string[]): Promise<{
  port: number; host: Awaited<ReturnType<typeof startTold>>; collector: Awaited<ReturnType<typeof startCollector>>; proxy: Script;
}> {
  const [collector, host, port] = [await startCollector(), await startTold(), lastingPort()];
  const proxy = new Script([
    '--require', examplePath('opentelemetry/tracing.cjs'), CLI, '--hosts', host.name, '--bind', '127.0.0.1', '--port', String(port),
    ...flags,
  ], {
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_BSP_SCHEDULE_DELAY: '10',
    },
  });
  await proxy.line(/^listening on /);
  return { port, host, collector, proxy };
}

describe.each([['on', []], ['off', ['--no-fast-path']]])('with the fast path %s', (_, flags) => {
  it('has a span of each request on a connection, a child of what its traceparent names, which the host gets as it came', async () => {
    const { port, host, collector } = await start(flags);
    const client = await KeptClient.connect(port);
    const ask = (lines: string): Promise<string> => client.ask(
      `GET /socket.io/?EIO=4&transport=polling&key=secret HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${lines}\r\n`,
    );
    const parents = ['b7ad6b7169203331', 'b7ad6b7169203332', 'b7ad6b7169203333', 'b7ad6b7169203334'];
    for (const parent of parents) {
      const answer = await ask(`traceparent: ${traceparent(parent)}\r\ntracestate: vendor=x\r\nbaggage: user=y\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    }
    await ask('');
    await until('all spans have come', () => collector.spans.length > parents.length);
    expect(host.polls).toEqual([
      ...parents.map((parent) => [traceparent(parent), 'vendor=x', 'user=y']), [undefined, undefined, undefined],
    ]);
    const last = collector.spans.pop();
    expect(last?.traceId).not.toBe(TRACE);
    expect(last?.parentSpanId ?? '').toBe('');
    expect(collector.spans.map(({ traceId, parentSpanId, kind, name }) => [traceId, parentSpanId, kind, name]))
      .toEqual(parents.map((parent) => [TRACE, parent, SERVER, 'GET']));
    expect(collector.spans.map(({ attributes }) => attributes)).toEqual(parents.map(() => expect.objectContaining({
      'url.path': '/socket.io/', 'url.query': 'EIO=4&transport=polling', 'http.response.status_code': 200,
    }) as object));
  });

  it('lets a client upgrade to WebSocket, of which there is no span, and the host gets its traceparent', async () => {
    const { port, host, collector, proxy } = await start(flags);
    const given = traceparent('b7ad6b7169203331');
    const client = io(`http://127.0.0.1:${port}`, { reconnection: false, forceNew: true, extraHeaders: { traceparent: given } });
    onCleanup(() => client.close());
    await new Promise<void>((resolve, reject) => {
      client.once('connect', resolve);
      client.once('connect_error', reject);
    });
    const { id } = client.io.engine;
    await until('it is upgraded', () => client.io.engine.transport.name === 'websocket');
    expect(await client.emitWithAck('echo', 'hello')).toBe('hello');
    await until('the host has answered its last poll', () => collector.spans.length >= host.polls.length);
    client.close();
    proxy.signal('SIGTERM');
    expect(await proxy.ended()).toBe(0);

    expect(host.upgrades).toEqual([[given, undefined, undefined]]);
    expect(new Set(host.polls.map(([each]) => each))).toEqual(new Set([given]));
    // The polls alone: nothing of the WebSocket, of requests to the host, or of health checks.
    expect(collector.spans).toHaveLength(host.polls.length);
    for (const { traceId, kind, attributes } of collector.spans) {
      expect([traceId, kind, attributes['url.query']]).toEqual([TRACE, SERVER, 'EIO=4&transport=polling']);
    }
    expect(id).toHaveLength(20);
    expect(collector.text()).not.toContain(id);
  });
});

it('has no span of probes and scrapes, and one of each other request to the admin server', async () => {
  const adminPort = lastingPort();
  const { collector } = await start(['--admin-port', String(adminPort)]);
  for (const path of ['healthz', 'readyz', 'metrics', 'api/hosts']) {
    expect((await request(`http://127.0.0.1:${adminPort}/${path}`)).status).toBe(200);
  }
  await until('a span has come', () => collector.spans.length > 0);
  expect(collector.spans.map(({ attributes }) => attributes['url.path'])).toEqual(['/api/hosts']);
});

it('names versions of OpenTelemetry that the tests have', () => {
  const { dependencies } = JSON.parse(readExample('opentelemetry/package.json')) as { dependencies: Record<string, string> };
  const own = JSON.parse(readFileSync(join(__dirname, '../../../package.json'), 'utf8')) as
    { name: string; version: string; devDependencies: Record<string, string> };
  const { [own.name]: proxy, ...others } = dependencies;
  expect(proxy).toBe(`^${own.version}`);
  expect(Object.keys(others)).not.toEqual([]);
  expect(own.devDependencies).toMatchObject(others);
});
