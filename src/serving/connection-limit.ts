import type { Server } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { networkOf } from '../base/client-address';
import { refusals } from '../base/refusals';
import { countRefusal, type Totals } from '../base/totals';
import type { TrustProxy } from '../base/trusted-networks';

type Listener = (socket: Socket) => void;

/**
 * Cuts connections of an address that has `most` of them open. Those of trusted networks may be of any number: they
 * are load balancers. For the proxy's own server, once all else listens for connections.
 */
export function limitConnections(
  server: Server | HttpsServer, most: number, trustProxy: TrustProxy, totals: Totals,
): void {
  const open = new Map<string, number>();
  const readers = server.listeners('connection') as Listener[];
  server.removeAllListeners('connection').on('connection', (socket: Socket) => {
    const { remoteAddress: address } = socket;
    const isCounted = address !== undefined && (typeof trustProxy === 'boolean' || !trustProxy.has(address));
    if (isCounted) {
      const network = networkOf(address);
      const count = open.get(network) ?? 0;
      if (count >= most) {
        countRefusal(totals, refusals.tooManyConnections);
        socket.on('error', () => {}).destroy();
        return;
      }
      open.set(network, count + 1);
      socket.once('close', () => {
        const left = (open.get(network) ?? 0) - 1;
        if (left > 0) open.set(network, left);
        else open.delete(network);
      });
    }
    for (const reader of readers) Reflect.apply(reader, server, [socket]);
  });
}
