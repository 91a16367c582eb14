import type { Server } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import { Socket } from 'node:net';
import { startDeadline } from '../base/deadline';
import { refusals } from '../base/refusals';
import { seldom } from '../base/seldom';
import { countRefusal, type Totals } from '../base/totals';
import { trustsAddress, type TrustProxy } from '../base/trusted-networks';
import { intercept } from './intercept';
import { proxyHeaderOf, type Client } from './proxy-header';

/** How long a header may take, in ms; less if a request's head may take no longer. */
const MAX_TIME = 5000;

/** Connections that wait for the end of their header, each with what cuts it. */
type Waiting = Map<Socket, () => void>;

/**
 * Reads a header of the PROXY protocol first on each connection from where `trustProxy` trusts, and shows the client
 * that it names as the connection's other end. For the proxy's own server, once all else listens for connections.
 *
 * @param suspicious called once a minute at most, if connections were cut whose header is malformed, late or not there.
 */
export function readProxyHeaders(
  server: Server | HttpsServer, { trustProxy }: { readonly trustProxy: TrustProxy }, totals: Totals,
  suspicious: (host: undefined, text: string) => void,
): void {
  const tell = seldom((address: string, reason: string) => {
    suspicious(undefined, `a connection from ${address} was cut, which has to begin with a PROXY header: ${reason}`);
  });
  const waiting: Waiting = new Map();
  const clients = new WeakMap<Socket, Client>();
  intercept(server, (socket, handOn) => {
    if (!trustsAddress(trustProxy, socket.remoteAddress)) {
      handOn(socket);
      return;
    }
    const address = socket.remoteAddress ?? 'a unix socket';
    readHeader(socket, Math.min(MAX_TIME, server.headersTimeout || MAX_TIME), waiting, (outcome) => {
      if (typeof outcome === 'string') {
        countRefusal(totals, refusals.badProxyHeader);
        tell(address, outcome);
        return;
      }
      if (outcome) {
        clients.set(socket, outcome);
        showClient(socket, outcome);
      }
      handOn(socket);
    });
  });
  if (server instanceof HttpsServer) {
    server.prependListener('secureConnection', (socket) => {
      const below: unknown = Reflect.get(socket, '_parent');
      const client = below instanceof Socket ? clients.get(below) : undefined;
      if (client) showClient(socket, client);
    });
  }
  cutWithIdle(server, waiting);
}

/**
 * Reads up to the end of the header, and no further.
 *
 * @param done called with the client, if the header names one, or with the reason why the connection was cut. Not
 *   called if the other end has closed it.
 */
function readHeader(
  socket: Socket, time: number, waiting: Waiting, done: (outcome: Client | string | undefined) => void,
): void {
  let bytes = Buffer.alloc(0);
  const leave = (): void => {
    cancel();
    waiting.delete(socket);
    socket.off('readable', read).off('end', close).off('error', close).off('close', leave);
  };
  const close = (): void => {
    leave();
    socket.on('error', () => {}).destroy();
  };
  const fail = (reason: string): void => {
    close();
    done(reason);
  };
  const read = (): void => {
    const chunk: unknown = socket.read();
    if (!(chunk instanceof Buffer)) return;
    bytes = Buffer.concat([bytes, chunk]);
    const header = proxyHeaderOf(bytes);
    if (header === 'more') return;
    if (!header) {
      fail('it began with none that can be read');
      return;
    }
    leave();
    if (bytes.length > header.size) socket.unshift(bytes.subarray(header.size));
    done(header.client);
  };
  const cancel = startDeadline(time, () => fail(`it had none after ${time} ms`));
  waiting.set(socket, close);
  socket.on('readable', read).on('end', close).on('error', close).on('close', leave);
}

/** Of a connection that was reset, the address is gone as before. A unix socket never had one. */
function showClient(socket: Socket, client: Client): void {
  const address = (): unknown => Reflect.get(Socket.prototype, 'remoteAddress', socket);
  const hadOne = address() !== undefined;
  for (const [name, value] of Object.entries(client)) {
    const get = (): unknown => (hadOne && address() === undefined ? undefined : value);
    Object.defineProperty(socket, name, { configurable: true, get });
  }
}

/** A server that closes its idle connections, or all of them, knows none that waits for its header. */
function cutWithIdle(server: Server | HttpsServer, waiting: Waiting): void {
  for (const name of ['closeIdleConnections', 'closeAllConnections'] as const) {
    const closeThem = server[name].bind(server);
    server[name] = () => {
      for (const close of waiting.values()) close();
      closeThem();
    };
  }
}
