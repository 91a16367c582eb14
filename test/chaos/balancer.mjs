import { once } from 'node:events';
import net from 'node:net';

/** A TCP load balancer, as stands before several proxies: `choose` gives the port for each new connection. */
export async function startBalancer(choose) {
  const sockets = new Set();
  const server = net.createServer((client) => {
    const port = choose();
    if (port === undefined) {
      client.resetAndDestroy();
      return;
    }
    const upstream = net.connect(port, '127.0.0.1');
    for (const [socket, other] of [[client, upstream], [upstream, client]]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
