// A load generator for WebSockets: every one sends its next message as soon as the last has come back.
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { serve } from '../serve.mjs';
import { inBatches, upgradeRequest } from './client.mjs';
import { closedLoop } from './closed-loop.mjs';

/** A masked text frame with 58 bytes of payload, as a client sends it: the host sends the same bytes back. */
const MESSAGE = Buffer.concat([Buffer.from([0x81, 0x80 | 58]), randomBytes(62)]);

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
  run: ({ ms }) => closedLoop(sockets, ms, sendAndReceive),
});

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

function sendAndReceive(socket, done) {
  let missing = MESSAGE.length;
  const onData = (chunk) => {
    missing -= chunk.length;
    if (missing > 0) return;
    socket.off('data', onData);
    done();
  };
  socket.on('data', onData);
  socket.write(MESSAGE);
}
