import type { IncomingMessage, ServerResponse } from 'node:http';
import net, { type Socket } from 'node:net';
import { stopClock } from '../support/clock';
import { ADDRESS } from '../support/hosts';
import { request, startServer } from '../support/http';
import { startBench } from '../support/idle-connections';
import { before } from '../support/session-host';
import { until } from '../support/until';

describe('a connection that is reused, and ends before a byte of the answer', () => {
  const end = ({ socket }: IncomingMessage): void => void socket.end();

  it.each(['GET', 'OPTIONS', 'HEAD'])('costs no %s: it is sent once more, on a new one', async (method) => {
    const bench = await startBench({ hostKeepAlive: 60_000 });
    await bench.used(1);
    bench.handler = (req) => {
      bench.handler = undefined;
      req.socket.end();
    };
    expect(await bench.send({ method })).toBe(200);
    expect(bench.sockets[1]).toBe(bench.sockets[0]);
    expect(bench.sockets[2]).not.toBe(bench.sockets[0]);
    // The host is not trusted any more.
    expect(await bench.used(5)).toBe(5);
  });

  it('fails when the new one ends so too', async () => {
    const bench = await startBench({ hostKeepAlive: 60_000 });
    await bench.used(1);
    bench.handler = end;
    expect(await bench.send()).toBe(502);
    expect(bench.sockets).toHaveLength(3);
  });

  it('costs no more than one other try where the new one was reused too, after the host has begun anew', async () => {
    const clock = stopClock();
    const sockets: Socket[] = [];
    let handler = (_: IncomingMessage, res: ServerResponse): void => void res.end();
    const { server, name, port } = await startServer((req, res) => {
      if (req.url?.includes('?')) sockets.push(req.socket);
      handler(req, res);
    }, { keepAliveTimeout: 0 }, { host: ADDRESS });
    const { proxy, url } = await before([{ name }], { hostKeepAlive: 60_000, healthyAfter: 1, checkInterval: 100 });
    const send = async (): Promise<number> => (await request(`${url}/socket.io/?EIO=4`)).status;
    expect(await send()).toBe(200);
    const answers = handler;
    handler = () => {};
    const status = send();
    await until('it is held', () => sockets.length === 2);
    // That of `http.Server` would end idle connections.
    net.Server.prototype.close.call(server);
    expect(await send()).toBe(503);
    handler = answers;
    server.listen(port, ADDRESS);
    await clock.advanceUntil('the host is up again', () => proxy.hosts[0]?.state === 'up');
    expect(await send()).toBe(200);
    handler = ({ socket }) => void socket.end();
    sockets[1]?.end();
    expect(await status).toBe(502);
    expect(sockets).toHaveLength(4);
    expect(sockets[1]).toBe(sockets[0]);
    expect(sockets[3]).toBe(sockets[2]);
  });

  it.each([['with a body', { body: 'x' }], ['without one', {}]])('fails a POST %s, which could take effect twice', async (_, options) => {
    const bench = await startBench({ hostKeepAlive: 60_000 });
    await bench.used(1);
    bench.handler = end;
    expect(await bench.send({ method: 'POST', ...options })).toBe(502);
    expect(bench.sockets).toHaveLength(2);
  });

  it('fails a GET that the host has held for a second: it had it', async () => {
    const bench = await startBench({ hostKeepAlive: 60_000 });
    await bench.used(1);
    let held: IncomingMessage | undefined;
    bench.handler = (req) => void (held = req);
    const status = bench.send();
    await until('it is held', () => held !== undefined);
    await bench.clock.advance(1000);
    held?.socket.end();
    expect(await status).toBe(502);
    expect(bench.sockets).toHaveLength(2);
  });

  it('fails a GET of whose answer there was a byte', async () => {
    const bench = await startBench({ hostKeepAlive: 60_000 });
    await bench.used(1);
    bench.handler = ({ socket }) => socket.end('H');
    expect(await bench.send()).toBe(502);
    expect(bench.sockets).toHaveLength(2);
  });

  it('fails a GET whose connection was new', async () => {
    const bench = await startBench({ hostKeepAlive: 0 });
    bench.handler = end;
    expect(await bench.send()).toBe(502);
    expect(bench.sockets).toHaveLength(1);
  });
});
