// A load generator for WebSockets: every one sends its next message as soon as the last has come back.
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { serve } from '../serve.mjs';
import { inBatches, upgradeRequest } from './client.mjs';
import { closedLoop } from './closed-loop.mjs';

/** Messages by the name of the work: masked frames, as a client sends them. The host sends the same bytes back. */
const MESSAGES = { message: frameOf(100), 'large message': frameOf(65_536) };

let sockets = [];

serve({
  async open({ port, connections }) {
    const opened = Array.from({ length: connections });
    await inBatches(opened, async () => {
      sockets.push(await openWebSocket(port));
    });
  },
  close() {
    for (const socket of sockets) socket.destroy();
    sockets = [];
  },
  run: ({ work, ms }) => closedLoop(sockets, ms, (socket, done) => sendAndReceive(socket, MESSAGES[work], done)),
});

/** A text frame with a payload of so many bytes (RFC 6455, 5.2). */
function frameOf(bytes) {
  const length = Buffer.alloc(bytes > 125 ? 9 : 1);
  length[0] = 0x80 | (bytes > 125 ? 127 : bytes);
  if (bytes > 125) length.writeBigUInt64BE(BigInt(bytes), 1);
  return Buffer.concat([Buffer.from([0x81]), length, randomBytes(4 + bytes)]);
}

/** Resolves when the OPEN packet has arrived. */
function openWebSocket(port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => socket.write(upgradeRequest));
    let seen = '';
    const onData = (chunk) => {
      seen += chunk.latin1Slice();
      if (!seen.includes('"maxPayload":1000000}')) return;
      socket.off('data', onData);
      resolve(socket);
    };
    socket.on('data', onData);
    socket.once('error', reject).once('close', () => reject(new Error(`the WebSocket was closed: ${seen}`)));
  });
}

function sendAndReceive(socket, message, done) {
  let missing = message.length;
  const onData = (chunk) => {
    missing -= chunk.length;
    if (missing > 0) return;
    socket.off('data', onData);
    done();
  };
  socket.on('data', onData);
  socket.write(message);
}
