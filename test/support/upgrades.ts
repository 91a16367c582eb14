import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { onCleanup } from './cleanup';

/** The bytes of an upgrade to WebSocket, which opens a session where there is no sid. */
export const upgradeOf = (sid = ''): string => [
  `GET /socket.io/?EIO=4&transport=websocket${sid && `&sid=${sid}`} HTTP/1.1`, 'Host: a', 'Connection: Upgrade', 'Upgrade: websocket',
  'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', '',
].join('\r\n');

/** A client that has sent these bytes, and reads nothing until it is told to. */
export async function connect(port: number, bytes: string): Promise<Socket> {
  const socket = net.connect(port, '127.0.0.1');
  onCleanup(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(bytes);
  return socket;
}

/** A connection for a server that is no socket, with what is written to it. */
export function foreignStream(): { stream: Duplex; text: () => string } {
  let text = '';
  const stream = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _, done) => {
      text += chunk.toString('latin1');
      done();
    },
  });
  onCleanup(() => stream.destroy());
  return { stream, text: () => text };
}
