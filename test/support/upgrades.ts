import { once } from 'node:events';
import net, { type Socket } from 'node:net';
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
