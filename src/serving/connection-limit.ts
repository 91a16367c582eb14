import type { Server } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import { networkOf } from '../base/client-address';
import { refusals } from '../base/refusals';
import { countRefusal, type Totals } from '../base/totals';
import type { TrustProxy } from '../base/trusted-networks';
import { intercept } from './intercept';

/**
 * Cuts connections of an address that has `most` of them open. Those of trusted networks may be of any number: they
 * are load balancers. For the proxy's own server, once all else listens for connections.
 */
export function limitConnections(
  server: Server | HttpsServer, most: number, trustProxy: TrustProxy, totals: Totals,
): void {
  const open = new Map<string, number>();
  intercept(server, (socket, handOn) => {
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
    handOn(socket);
  });
}
