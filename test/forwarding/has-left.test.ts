import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasLeft } from '../../src/forwarding/headers';
import { onCleanup } from '../support/cleanup';

describe('a client', () => {
  /** A connection as a server has it, of which nothing has been read. */
  async function accepted(path: string | undefined): Promise<{ client: Socket; socket: Socket }> {
    const server = net.createServer({ pauseOnConnect: true });
    server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path });
    await once(server, 'listening');
    onCleanup(() => server.close());
    const accepting = once(server, 'connection') as Promise<[Socket]>;
    const client = path === undefined ? net.connect((server.address() as net.AddressInfo).port, '127.0.0.1') : net.connect(path);
    const [socket] = await accepting;
    onCleanup(() => {
      client.destroy();
      socket.destroy();
    });
    return { client, socket };
  }

  it('that has reset its connection has left, although nothing has been read of that', async () => {
    const { client, socket } = await accepted(undefined);
    client.resetAndDestroy();
    await once(client, 'close');
    expect(socket.destroyed).toBe(false);
    expect(hasLeft({ socket })).toBe(true);
  });

  it.each([['by TCP', undefined], ['by a unix socket', join(tmpdir(), `framing-${process.pid}.sock`)]])(
    'that is there has not left: %s',
    async (_, path) => {
      const { socket } = await accepted(path);
      expect(hasLeft({ socket })).toBe(false);
      socket.destroy();
      expect(hasLeft({ socket })).toBe(true);
    },
  );
});
