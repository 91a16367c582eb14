// A `node:net` server that passes bytes to hosts and back, looks for nothing but the sid, and has no safety at all: the floor
// of what a proxy of Node costs. It takes each chunk for one whole message, which is all that clients and hosts here send.
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { serve } from '../serve.mjs';

/** One read buffer for all hosts. */
const BUFFER = Buffer.allocUnsafe(65_536);

/** A connection to a host. `ask` calls back with the answer: one at a time. */
class HostSocket {
  #socket;
  #answered;

  constructor(port) {
    const callback = (size) => {
      this.#answered(BUFFER.toString('latin1', 0, size));
      return true;
    };
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer: BUFFER, callback } });
  }

  ask(text, answered) {
    this.#answered = answered;
    this.#socket.write(text, 'latin1');
  }
}

serve({
  async start({ hosts }) {
    const idle = new Map(hosts.map((port) => [port, []]));
    const sids = new Map();
    let next = 0;
    const server = createServer({ noDelay: true }, (client) => {
      client.on('error', () => client.destroy()).on('data', (chunk) => {
        const text = chunk.toString('latin1');
        const sid = /[?&]sid=([^& ]+)/.exec(text)?.[1];
        const port = sids.get(sid) ?? hosts[next = (next + 1) % hosts.length];
        const sockets = idle.get(port);
        const host = sockets.pop() ?? new HostSocket(port);
        host.ask(text.replace('\r\n', '\r\nX-Forwarded-For: 127.0.0.1\r\n'), (answer) => {
          sockets.push(host);
          if (sid === undefined) sids.set(/"sid":"([^"]+)"/.exec(answer)?.[1], port);
          client.write(answer, 'latin1');
        });
      });
    });
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
    await once(server, 'listening');
    return server.address().port;
  },
});
