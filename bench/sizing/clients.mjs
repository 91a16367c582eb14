// Clients that are there and say nothing but what Engine.IO's heartbeat asks for, as cheap as they can be: raw sockets.
import { connect } from 'node:net';
import { Client, inBatches, packetRequest, pollRequest, upgradeRequest } from '../load/client.mjs';
import { serve } from '../serve.mjs';

/** Text frames of one packet, masked with zeros. */
const frame = (text) => Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
const CONNECT = frame('40');
const PONG = frame('3');

/** A server's frame with the packet PING. */
const PING = '\x81\x012';

/** What ends a client: its sessions are to stay. */
let failures = 0;
let pings = 0;
let isClosing = false;

serve({
  /** Opens so many sessions, and resolves when the server has answered each. */
  async open({ port, transport, sessions }) {
    const openOne = transport === 'websocket' ? openWebSocket : openPolls;
    await inBatches(Array.from({ length: sessions }), () => openOne(port), 50);
  },
  /** How many heartbeats were answered, and clients lost. */
  counts: () => ({ pings, failures }),
  close() {
    isClosing = true;
  },
});

function fail() {
  if (!isClosing) failures += 1;
}

function openWebSocket(port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => socket.write(upgradeRequest));
    let seen = '';
    socket.on('data', (chunk) => {
      const text = chunk.latin1Slice();
      if (seen !== undefined) {
        const isOpen = seen.includes('"sid"');
        seen += text;
        if (!isOpen && seen.includes('"sid"')) socket.write(CONNECT);
        if (!seen.includes('40{')) return;
        seen = undefined;
        resolve();
      } else if (text === PING) {
        pings += 1;
        socket.write(PONG);
      }
    });
    socket.once('error', reject).once('close', () => {
      fail();
      reject(new Error(`the WebSocket was closed: ${seen}`));
    });
  });
}

/** Handshake, the packet that joins the namespace, its answer; then one poll after the other. */
async function openPolls(port) {
  const client = new Client(port);
  await client.handshake();
  const send = (request) => new Promise((resolve, reject) => client.send(request, resolve, reject));
  await send(packetRequest(client.sid, '40'));
  await send(pollRequest(client.sid));
  void keepPolling(client, send).catch(fail);
}

async function keepPolling(client, send) {
  for (;;) {
    const body = await send(pollRequest(client.sid));
    if (!body.split('\x1e').includes('2')) continue;
    pings += 1;
    await send(packetRequest(client.sid, '3'));
  }
}
