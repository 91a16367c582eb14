// Two sockets and a pipe each way: the least that Node can do between a client and a host.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { serve } from '../serve.mjs';

serve({
  async start({ hosts }) {
    let next = 0;
    const server = createServer({ noDelay: true }, (socket) => {
      const host = connect({ port: hosts[next = (next + 1) % hosts.length], host: '127.0.0.1', noDelay: true });
      host.on('error', () => socket.destroy());
      socket.on('error', () => host.destroy());
      socket.pipe(host).pipe(socket);
    });
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
    await once(server, 'listening');
    return server.address().port;
  },
});
