// Hosts that cost as little as Node allows, so that it is the proxy that is measured: an answer to a handshake and to a
// POST, silence to a poll, and an echo on a WebSocket. It reads what the load generators write, and no more of HTTP.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { serve } from './serve.mjs';

const servers = [];
/** The connections of polls that wait. */
const held = new Set();

serve({
  async start(count, { answerEvery }) {
    if (answerEvery !== undefined) setInterval(release, answerEvery);
    for (let i = 0; i < count; i += 1) {
      const server = createServer({ noDelay: true }, onConnection);
      server.listen({ port: 0, host: '127.0.0.1', backlog: 8192 });
      await once(server, 'listening');
      servers.push(server);
    }
    return servers.map((server) => server.address().port);
  },
  /** How many polls are waiting. */
  held: () => held.size,
  release,
});

/** Answers the polls that wait: not every proxy tells a host that the client has gone. */
function release() {
  for (const socket of held) socket.write(OK);
  held.clear();
}

function onConnection(socket) {
  let pending = '';
  const onData = (chunk) => {
    const text = pending + chunk.latin1Slice();
    const end = text.indexOf('\r\n\r\n');
    const length = text.startsWith('POST') ? Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0) : 0;
    if (end === -1 || text.length < end + 4 + length) {
      pending = text;
      return;
    }
    pending = '';
    const url = text.slice(text.indexOf(' ') + 1, text.indexOf(' HTTP/'));
    if (url.includes('transport=websocket')) {
      socket.off('data', onData);
      socket.write(url.includes('sid=') ? SWITCHING : Buffer.concat([SWITCHING, textFrame(openPacket())]));
      socket.on('data', (bytes) => socket.write(bytes));
    } else if (text.startsWith('POST')) {
      socket.write(OK);
    } else if (!url.includes('transport=polling')) {
      socket.write(BAD_REQUEST);
    } else if (url.includes('sid=')) {
      held.add(socket);
    } else {
      socket.write(response('200 OK', openPacket()));
    }
  };
  socket.on('data', onData);
  socket.on('error', () => {});
  socket.on('close', () => held.delete(socket));
}

function openPacket() {
  const sid = randomBytes(15).toString('base64url');
  return `0{"sid":"${sid}","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`;
}

/** The headers are those of Engine.IO on Node. */
function response(status, body) {
  return Buffer.from(`HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=UTF-8\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\ncache-control: no-store\r\n` +
    'Date: Mon, 05 Jan 2026 10:00:00 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n' + body);
}

function textFrame(text) {
  return Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]);
}

const OK = response('200 OK', 'ok');
const BAD_REQUEST = response('400 Bad Request', '{"code":0,"message":"Transport unknown"}');
const SWITCHING = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n');
