import { channel } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import type { Server, IncomingMessage, ServerResponse } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import { Socket } from 'node:net';
import type { WholeRequest } from '../forwarding/client';
import type { UnderWay } from '../forwarding/under-way';
import { FastConnection, type FastServing, type Reader } from './fast-connection';
import type { PlainResponse } from './plain-response';

/** As it is before a tracer wraps it. */
const emit: unknown = Reflect.get(EventEmitter.prototype, 'emit');

/** Where tracers hear of requests. */
const CHANNELS = ['request.start', 'response.created', 'response.finish']
  .map((name) => channel(`http.server.${name}`));

export interface FastPathParts {
  readonly path: string;
  readonly maxHeaderSize: number;
  readonly underWay: UnderWay;
  serve(req: WholeRequest, res: PlainResponse): void;
}

/**
 * Serves plain requests without Node's `http`, which costs more than all the rest of a poll. Only on the proxy's own
 * server, and only while nobody else wants to see requests.
 */
export class FastPath {
  readonly #server: Server | HttpsServer;
  readonly #serving: FastServing;
  readonly #connections = new Map<Socket, FastConnection>();
  readonly #prefix: string;
  /** The proxy's own listener for requests. */
  readonly #listener: unknown;

  /** @param server whose only listener for requests is the proxy's. */
  constructor(server: Server | HttpsServer, parts: FastPathParts) {
    this.#server = server;
    this.#prefix = `${parts.path}?`;
    [this.#listener] = server.listeners('request');
    this.#serving = {
      maxHeaderSize: parts.maxHeaderSize,
      server,
      mayServe: (url) => url.startsWith(this.#prefix) && !parts.underWay.closing && this.#isUsual,
      serve: (req, res) => parts.serve(req, res),
    };
    const accepted = server instanceof HttpsServer ? 'secureConnection' : 'connection';
    server.on(accepted, (socket: unknown) => {
      // A caller may have put in a stream of another kind.
      if (socket instanceof Socket) this.#accept(socket);
    });
    this.#shield();
  }

  /** To be called with each request that Node has read. */
  follow(req: IncomingMessage, res: ServerResponse): void {
    this.#connections.get(req.socket)?.follow(res);
  }

  #accept(socket: Socket): void {
    const [read, other] = socket.listeners('data') as Reader[];
    if (!read || other) return;
    const left = (): void => void this.#connections.delete(socket);
    this.#connections.set(socket, new FastConnection(socket, read, this.#serving, left));
  }

  /**
   * Nobody else wants to see requests: no listener beside the proxy's or in its place, and no tracer, which would wrap
   * `emit` or subscribe to a channel. And nobody has set on the server what only Node can keep.
   */
  get #isUsual(): boolean {
    const server = this.#server;
    const [listener, other] = server.listeners('request');
    return listener === this.#listener && other === undefined && server.emit === emit &&
      !CHANNELS.some(({ hasSubscribers }) => hasSubscribers) &&
      !server.maxRequestsPerSocket && server.keepAliveTimeout > 0 && Reflect.get(server, 'httpAllowHalfOpen') !== true;
  }

  /** Lets `closeIdleConnections` spare connections with requests of which Node knows nothing. */
  #shield(): void {
    const server = this.#server;
    const closeIdle = server.closeIdleConnections.bind(server);
    server.closeIdleConnections = () => {
      const restore = [...this.#connections].flatMap(([socket, { isServing }]) => (isServing ? [shield(socket)] : []));
      closeIdle();
      for (const each of restore) each();
    };
  }
}

/** Keeps a socket from being destroyed. @returns a function that undoes it. */
function shield(socket: Socket): () => void {
  const own = Object.getOwnPropertyDescriptor(socket, 'destroy');
  socket.destroy = () => socket;
  return () => {
    Reflect.deleteProperty(socket, 'destroy');
    if (own) Object.defineProperty(socket, 'destroy', own);
  };
}
