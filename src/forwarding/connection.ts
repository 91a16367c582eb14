import net, { type Socket } from 'node:net';
import tls from 'node:tls';
import { toError } from '../base/checks';
import { startDeadline } from '../base/deadline';
import type { Host } from '../hosts/host';
import type { HostTls } from '../hosts/host-tls';
import { readAfterFailedWrite } from './host-socket';
import { BodyStream, framingField, type RequestBody } from './request-body';
import { ResponseParser, type ResponseListener } from './response-parser';
import { Traffic } from './traffic';

/** Times in ms. */
export interface ConnectionOptions {
  readonly connectTimeout: number;
  readonly hostTimeout: number;
  readonly hostTls: HostTls;
  /** The largest response head, in bytes. */
  readonly maxHeaderSize: number;
}

/** A request to a host. */
export interface HostRequest {
  readonly method: string;
  readonly path: string;
  /** The fields in latin1, each with its line break, without connection-level ones and body framing. */
  readonly fields: string;
  readonly body: RequestBody;
}

/** How a request failed. */
export type Failure =
  /** The connection could not be made: nothing of the request was sent. */
  | 'unreached'
  /** The host sent nothing for `hostTimeout`. */
  | 'timeout'
  /** A reused connection ended at once, without a byte: the host had probably closed it while it was idle. */
  | 'stale'
  /** The connection broke, or the host sent a malformed response. */
  | 'failed';

/** Receives the response to a request, or at any point an error, after which it receives nothing more. */
export interface ResponseHandler extends ResponseListener {
  /** Everything that has come so far was received, and the response goes on. More may take its time. */
  onLull(): void;
  onError(error: Error, failure: Failure): void;
}

/** The pool that keeps a connection while it is idle. */
export interface ConnectionOwner {
  readonly host: Host;
  /** The TLS session to resume with the next connection. */
  tlsSession: Buffer | undefined;
  /** Called when the connection becomes idle. `mayKeep`: the host keeps it open, for `told` ms if it says how long. */
  release(connection: Connection, mayKeep: boolean, told: number | undefined): void;
  /** Called when the connection is closed. `byHost`: by the host while it was idle, as far as can be seen. */
  forget(connection: Connection, byHost: boolean): void;
}

/**
 * How long after a request the close of an idle connection may still arrive, in ms. If the connection ends later, the
 * host had received the request.
 */
const STALE_TIME = 1000;

/** One read buffer for all sockets: the bytes are copied before the next socket reads. */
const SHARED_BUFFER = Buffer.allocUnsafe(65_536);

/** A connection to a host, for one request at a time (RFC 9112). Connects with the first request. */
export class Connection implements ResponseListener {
  /** The connection asks the host to keep it open. */
  readonly keepAlive: boolean;
  /** The connection has carried an earlier request. */
  isReused = false;
  /** When the current request was assigned, by `performance.now()`. */
  takenAt: number;
  readonly #owner: ConnectionOwner;
  readonly #options: ConnectionOptions;
  readonly #parser: ResponseParser;
  #socket: Socket | undefined;
  #traffic: Traffic | undefined;
  #isConnected = false;
  #request: HostRequest | undefined;
  #body: BodyStream | undefined;
  /** Set while a request is in progress. */
  #handler: ResponseHandler | undefined;
  #isPaused = false;
  /** The host has sent something since the request was sent. */
  #hasHeard = false;
  /** When the first part of an incomplete response head arrived, by `performance.now()`. */
  #headSince: number | undefined;

  constructor(owner: ConnectionOwner, options: ConnectionOptions, keepAlive: boolean, takenAt: number) {
    this.keepAlive = keepAlive;
    this.takenAt = takenAt;
    this.#owner = owner;
    this.#options = options;
    this.#parser = new ResponseParser(options.maxHeaderSize, this);
  }

  send(request: HostRequest, handler: ResponseHandler): void {
    this.#request = request;
    this.#handler = handler;
    this.#hasHeard = false;
    this.#headSince = undefined;
    if (this.#isConnected) this.#write(request);
    else this.#connect();
  }

  /** Stops reading until `resume`. The handler still gets what was already read. */
  pause(): void {
    this.#isPaused = true;
    this.#socket?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    // Restarts the timeout: the host could not send anything meanwhile.
    this.#socket?.setTimeout(this.#options.hostTimeout);
    this.#socket?.resume();
  }

  /** Adds the bytes carried since the last call to the host's totals. */
  countBytes(): void {
    this.#traffic?.countBytes();
  }

  /** Closes the connection and drops its request. The handler receives nothing more. */
  destroy(): void {
    this.#close(false);
  }

  onHead(status: number, message: string, headers: string[]): void {
    this.#handler?.onHead(status, message, headers);
  }

  onBody(chunk: Buffer): void {
    this.#handler?.onBody(chunk);
  }

  onEnd(): void {
    const handler = this.#handler;
    this.#handler = undefined;
    this.#request = undefined;
    if (this.#isPaused) this.resume();
    if (this.#body?.isWhole === false) {
      // The host answered before it had the whole request. More of that answer could pass for the next one.
      this.#close(false);
    } else {
      this.#body = undefined;
      // Before `onEnd`, so that the client's next request can reuse the connection.
      this.#owner.release(this, this.#parser.keepAlive, this.#parser.idleTimeout);
    }
    handler?.onEnd();
  }

  #connect(): void {
    const { connectTimeout, hostTimeout } = this.#options;
    const socket = this.#socket = this.#open();
    this.#owner.host.address.watch(socket);
    readAfterFailedWrite(socket);
    this.#traffic = new Traffic(socket, this.#owner.host.totals);
    const cancel = startDeadline(connectTimeout, () => {
      const error = new Error(`no connection to ${this.#owner.host.name} within ${connectTimeout} ms`);
      socket.destroy(Object.assign(error, { code: 'ETIMEDOUT' }));
    });
    socket.once(socket instanceof tls.TLSSocket ? 'secureConnect' : 'connect', () => {
      if (socket.destroyed) return;
      cancel();
      this.#isConnected = true;
      socket.setTimeout(hostTimeout);
      if (this.#request) this.#write(this.#request);
    });
    socket.on('timeout', () => this.#onSilence(socket));
    socket.on('end', () => this.#onHangUp());
    socket.on('error', (error) => this.#fail(error, this.#isConnected ? 'failed' : 'unreached'));
    socket.on('close', () => {
      cancel();
      this.#onHangUp();
    });
  }

  #open(): Socket {
    const { host, tlsSession } = this.#owner;
    const target = { host: host.hostname, port: host.port, lookup: host.address.lookup, autoSelectFamily: true };
    if (host.url.protocol === 'https:') {
      const { servername = net.isIP(target.host) === 0 ? target.host : undefined } = this.#options.hostTls;
      const name = servername !== undefined && { servername };
      const session = tlsSession && { session: tlsSession };
      const options = { ALPNProtocols: ['http/1.1'], ...this.#options.hostTls, ...target, ...name, ...session };
      const socket = tls.connect(options);
      socket.on('session', (fresh) => this.#owner.tlsSession = fresh);
      return socket.setNoDelay(true).on('data', (bytes: Buffer) => this.#onRead(bytes));
    }
    const callback = (size: number): boolean => this.#onRead(SHARED_BUFFER.subarray(0, size));
    return net.connect({ ...target, noDelay: true, onread: { buffer: SHARED_BUFFER, callback } });
  }

  #write({ method, path, fields, body }: HostRequest): void {
    const socket = this.#socket;
    if (!socket) return;
    const connection = this.keepAlive ? 'keep-alive' : 'close';
    const framing = framingField(method, body);
    const head = `${method} ${path} HTTP/1.1\r\nConnection: ${connection}\r\n${framing}${fields}\r\n`;
    this.#parser.expect(method);
    if (body === undefined) {
      socket.write(head, 'latin1');
    } else if (typeof body === 'string') {
      // One string, so that the kernel gets one buffer instead of two. latin1 preserves every byte.
      socket.write(head + body, 'latin1');
    } else {
      this.#body = new BodyStream(body, socket);
      this.#body.send(head);
    }
  }

  #onRead(bytes: Buffer): boolean {
    this.#hasHeard = true;
    try {
      this.#parser.write(bytes);
      if (this.#parser.isInHead) this.#onPartOfHead();
      else this.#handler?.onLull();
    } catch (error) {
      this.#fail(toError(error), 'failed');
    }
    return !this.#isPaused;
  }

  /** A head that arrives bit by bit, or endless interim responses, must not extend `hostTimeout`. */
  #onPartOfHead(): void {
    const now = performance.now();
    this.#headSince ??= now;
    if (now - this.#headSince > this.#options.hostTimeout) {
      this.#fail(new Error('the host did not send a whole response head in time'), 'timeout');
    }
  }

  #onHangUp(): void {
    try {
      // A response may end with the connection.
      this.#parser.end();
      this.#fail(new Error('the host closed the connection'), this.#isConnected ? 'failed' : 'unreached');
    } catch (error) {
      this.#fail(toError(error), 'failed');
    }
  }

  #onSilence(socket: Socket): void {
    if (!this.#handler || this.#isPaused || this.#body?.waitsForClient) {
      socket.setTimeout(this.#options.hostTimeout);
      return;
    }
    const seen = socket.bytesRead;
    // If this process itself was blocked, pending bytes are read before the callback.
    setImmediate(() => {
      if (socket.bytesRead === seen) this.#fail(new Error('the host did not answer in time'), 'timeout');
    });
  }

  #fail(error: Error, failure: Failure): void {
    const handler = this.#handler;
    const isStale = handler !== undefined && failure === 'failed' && this.isReused && !this.#hasHeard &&
      performance.now() - this.takenAt < STALE_TIME;
    this.#close(handler === undefined || isStale);
    handler?.onError(error, isStale ? 'stale' : failure);
  }

  #close(byHost: boolean): void {
    this.#handler = undefined;
    this.#request = undefined;
    this.#parser.stop();
    this.#body?.stop();
    this.#body = undefined;
    this.#traffic?.countBytes();
    this.#traffic = undefined;
    this.#socket?.destroy();
    this.#owner.forget(this, byHost);
  }
}
