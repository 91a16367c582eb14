// Prototype: bytes in, bytes out.
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { serve } from '../serve.mjs';

const BUFFER = Buffer.allocUnsafe(65536);
const LINE = /^(?:GET|POST) \/socket\.io\/\?[!-~]*?&sid=([\w-]{1,40})(?:&[!-~]*)? HTTP\/1\.1\r\n/;

class HostSocket {
  constructor(port) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer: BUFFER, callback: (n) => { this.answered(BUFFER.latin1Slice(0, n)); return true; } } });
  }
  ask(text, answered) { this.answered = answered; this.socket.write(text, 'latin1'); }
}

serve({
  async start({ hosts }) {
    const idle = new Map(hosts.map((p) => [p, []]));
    let next = 0;
    const sids = new Map();
    const server = createServer({ noDelay: true });
    // onread for accepted sockets is not offered by net.Server: data events.
    server.on('connection', (client) => {
      client.on('error', () => client.destroy());
      client.on('data', (chunk) => {
        const text = chunk.latin1Slice();
        const m = LINE.exec(text);
        const sid = m?.[1];
        const port = (sid && sids.get(sid)) ?? hosts[next++ % hosts.length];
        const sockets = idle.get(port);
        const host = sockets.pop() ?? new HostSocket(port);
        const end = text.indexOf('\r\n\r\n');
        const head = text.slice(0, text.indexOf('\r\n') + 2);
        const rest = text.slice(head.length);
        if (end < 0) throw new Error('no end');
        host.ask(head + `X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n` + rest, (answer) => {
          sockets.push(host);
          if (!sid) { const s = /"sid":"([^"]+)"/.exec(answer)?.[1]; if (s) sids.set(s, port); }
          client.write(answer, 'latin1');
        });
      });
    });
    server.listen(0, '127.0.0.1', 4096);
    await once(server, 'listening');
    return server.address().port;
  },
});
