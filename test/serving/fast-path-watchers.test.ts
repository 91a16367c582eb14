import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { PlainResponse } from '../../src/serving/plain-response';
import { onCleanup } from '../support/cleanup';
import { client, get, stand } from '../support/kept-stand';

/** The answers of the fast path: as many as it has given. */
let fast: jest.SpyInstance;

beforeEach(() => {
  fast = jest.spyOn(PlainResponse.prototype, 'end').mockClear();
});

describe('whoever wants to see requests sees all of them', () => {
  it('who listens for them', async () => {
    const started = await stand();
    const kept = await client(started);
    const urls: (string | undefined)[] = [];
    started.proxy.server.on('request', ({ url }: IncomingMessage) => urls.push(url));
    await kept.ask(get());
    expect([urls.length, fast.mock.calls.length]).toEqual([1, 0]);
  });

  it('who listens in the place of the proxy, and calls it', async () => {
    const started = await stand();
    const kept = await client(started);
    const { server } = started.proxy;
    const [listener] = server.listeners('request');
    const urls: (string | undefined)[] = [];
    server.removeAllListeners('request').on('request', (req: IncomingMessage, res) => {
      urls.push(req.url);
      Reflect.apply(listener as () => void, server, [req, res]);
    });
    expect(await kept.ask(get())).toMatch(/ok$/);
    expect([urls.length, fast.mock.calls.length]).toEqual([1, 0]);
  });

  it('who subscribes to a channel', async () => {
    const started = await stand();
    const kept = await client(started);
    let count = 0;
    const onStart = (): void => {
      count += 1;
    };
    subscribe('http.server.request.start', onStart);
    onCleanup(() => unsubscribe('http.server.request.start', onStart));
    await kept.ask(get());
    expect(fast).not.toHaveBeenCalled();
    expect(count).toBeGreaterThan(0);
  });

  it('who wraps emit of all emitters', async () => {
    const started = await stand();
    const kept = await client(started);
    const wrapped = jest.spyOn(EventEmitter.prototype, 'emit');
    await kept.ask(get());
    expect(fast).not.toHaveBeenCalled();
    expect(wrapped).toHaveBeenCalledWith('request', expect.anything(), expect.anything());
    wrapped.mockRestore();
  });

  it('who wraps emit, as tracers do', async () => {
    const started = await stand();
    const kept = await client(started);
    const { server } = started.proxy;
    const events: string[] = [];
    const emit = server.emit.bind(server);
    server.emit = ((event: string, ...args: unknown[]) => {
      events.push(event);
      return emit(event, ...args);
    }) as typeof emit;
    await kept.ask(get());
    expect(fast).not.toHaveBeenCalled();
    expect(events).toContain('request');
  });

  it('who limits the requests of a connection', async () => {
    const started = await stand();
    started.proxy.server.maxRequestsPerSocket = 3;
    const kept = await client(started);
    expect(await kept.ask(get())).toMatch(/\r\nConnection: keep-alive\r\n/);
    expect(await kept.ask(get())).toMatch(/\r\nConnection: close\r\n/);
    expect(fast).not.toHaveBeenCalled();
  });
});
