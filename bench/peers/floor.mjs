// A `node:http` server with bare sockets to the hosts, and no safety at all: the floor of what a proxy of Node costs that
// leaves the requests to `node:http`. It reads answers in one piece with `Content-Length`, which is all that hosts here send.
import { connect } from 'node:net';
import { servePlain } from './plain-server.mjs';

/** A connection to a host. `ask` calls back with the answer: one at a time. */
class HostSocket {
  #socket;
  #answered;

  constructor(port) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.setEncoding('latin1').on('data', (text) => this.#answered(text));
  }

  ask(text, answered) {
    this.#answered = answered;
    this.#socket.write(text, 'latin1');
  }
}

function headOf({ method, url, rawHeaders }) {
  let head = `${method} ${url} HTTP/1.1\r\n`;
  for (let i = 0; i < rawHeaders.length; i += 2) head += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
  return `${head}\r\n`;
}

/** Writes an answer whose head and body have come in one piece. */
function answer(res, text) {
  const end = text.indexOf('\r\n\r\n');
  const [status, ...lines] = text.slice(0, end).split('\r\n');
  const headers = [];
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers.push(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  res.writeHead(Number(status.slice(9, 12)), headers);
  res.end(text.slice(end + 4), 'latin1');
}

servePlain(() => {
  const idle = new Map();
  const takeFrom = (target) => {
    const sockets = idle.get(target) ?? [];
    idle.set(target, sockets);
    return [sockets, sockets.pop() ?? new HostSocket(new URL(target).port)];
  };
  return (req, res, target) => {
    const [sockets, host] = takeFrom(target);
    let body = '';
    req.setEncoding('latin1').on('data', (text) => body += text).on('end', () => {
      host.ask(headOf(req) + body, (text) => {
        sockets.push(host);
        answer(res, text);
      });
    });
  };
});
