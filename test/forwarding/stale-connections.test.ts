import type { IncomingMessage } from 'node:http';
import { startBench } from '../support/idle-connections';
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

  it('fails a POST, which could take effect twice', async () => {
    const bench = await startBench({ hostKeepAlive: 60_000 });
    await bench.used(1);
    bench.handler = end;
    expect(await bench.send({ method: 'POST', body: 'x' })).toBe(502);
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
