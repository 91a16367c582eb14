import net, { type Socket } from 'node:net';
import tls from 'node:tls';
import { toError } from '../base/checks';
import { startDeadline } from '../base/deadline';
import type { Host } from '../hosts/host';
import type { HostTls } from '../hosts/host-tls';
import { framingOf, RequestBody, type StreamedBody } from './request-body';
import { ResponseParser, type ResponseListener } from './response-parser';
import { Traffic } from './traffic';

/** Times in ms. */
export interface ConnectionOptions {
  readonly connectTimeout: number;
  readonly hostTimeout: number;
  readonly hostTls: HostTls;
  /** Of a response too, in bytes. */
  readonly maxHeaderSize: number;
}

/** What is sent to a host. */
export interface HostRequest {
  readonly method: string;
  readonly path: string;
  /** A flat list of names and values, in latin1, with none that speaks of the connection or frames the body. */
  readonly headers: readonly string[];
  readonly body: Buffer | StreamedBody | undefined;
}

/** How a request has failed. */
export type Failure =
  /** No connection could be made: nothing of the request has left. */
  | 'unreached'
  /** The host said nothing for `hostTimeout`. */
  | 'timeout'
  /** It was reused, and ended at once with no byte of an answer: as one that the host had closed while it was idle. */
  | 'stale'
  /** The connection broke, or what came over it was no response. */
  | 'failed';

/** Hears what becomes of a request: the response, or at any point of it an error, after which nothing comes. */
export interface ResponseHandler extends ResponseListener {
  onError(error: Error, failure: Failure): void;
}

/** Who keeps a connection while it is idle. */
export interface ConnectionOwner {
  readonly host: Host;
  /** TLS: what lets the next handshake be short. */
  tlsSession: Buffer | undefined;
  /** It is idle. The host keeps it (`mayKeep`), for `told` ms where it says so. */
  release(connection: Connection, mayKeep: boolean, told: number | undefined): void;
  /** It is closed: by the host while it was idle, as far as can be seen (`byHost`), or for another reason. */
  forget(connection: Connection, byHost: boolean): void;
}

/**
 * For how long the end of a connection that was idle may be on its way here while a request is sent on it, in ms. What
 * ends later was at the host, which had taken it.
 */
const STALE_TIME = 1000;

/** What is read from a socket is copied before the next one reads, so that one buffer is enough for all. */
const SHARED_BUFFER = Buffer.allocUnsafe(65_536);

/** A connection to a host, which carries one request at a time (RFC 9112). It connects with the first. */
export class Connection implements ResponseListener {
  /** The host is asked to keep it. */
  readonly keepAlive: boolean;
  /** It has carried another request before. */
  isReused = false;
  /** When it was given its request, by `performance.now()`. */
  takenAt: number;
  readonly #owner: ConnectionOwner;
  readonly #options: ConnectionOptions;
  readonly #parser: ResponseParser;
  #socket: Socket | undefined;
  #traffic: Traffic | undefined;
  #isConnected = false;
  #request: HostRequest | undefined;
  #body: RequestBody | undefined;
  /** Set while a request is under way. */
  #handler: ResponseHandler | undefined;
  #isPaused = false;
  /** Something has come from the host since the request was sent. */
  #hasHeard = false;
  /** Since when the head of the response has been coming, by `performance.now()`, where it has not come at once. */
  #headSince: number | undefined;

  constructor(owner: ConnectionOwner, options: ConnectionOptions, keepAlive: boolean, takenAt: number) {
    this.keepAlive = keepAlive;
    this.takenAt = takenAt;
    this.#owner = owner;
    this.#options = options;
    this.#parser = new ResponseParser(options.maxHeaderSize, this);
  }

  /** Sends a request; `handler` hears what becomes of it. */
  send(request: HostRequest, handler: ResponseHandler): void {
    this.#request = request;
    this.#handler = handler;
    this.#hasHeard = false;
    this.#headSince = undefined;
    if (this.#isConnected) this.#write(request);
    else this.#connect();
  }

  /** Stops reading until `resume`. What has been read already still comes. */
  pause(): void {
    this.#isPaused = true;
    this.#socket?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    // A host has all its time again: it could send nothing meanwhile.
    this.#socket?.setTimeout(this.#options.hostTimeout);
    this.#socket?.resume();
  }

  /** Counts what it has carried so far. */
  count(): void {
    this.#traffic?.count();
  }

  /** Ends it and what it carries, of which the handler hears nothing more. */
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
      // What the host has answered before it had all of the request can't be told from the answer to the next.
      this.#close(false);
    } else {
      this.#body = undefined;
      // Before the handler hears, so that it is there for the client's next request.
      this.#owner.release(this, this.#parser.keepAlive, this.#parser.idleTimeout);
    }
    handler?.onEnd();
  }

  #connect(): void {
    const { connectTimeout, hostTimeout } = this.#options;
    const socket = this.#socket = this.#open();
    this.#traffic = new Traffic(socket, this.#owner.host.totals);
    const cancel = startDeadline(connectTimeout, () => {
      const error = new Error(`no connection to ${this.#owner.host.name} within ${connectTimeout} ms`);
      socket.destroy(Object.assign(error, { code: 'ETIMEDOUT' }));
    });
    socket.once(socket instanceof tls.TLSSocket ? 'secureConnect' : 'connect', () => {
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
    const target = { host: host.address, port: host.port };
    if (host.url.protocol === 'https:') {
      const name = net.isIP(target.host) === 0 && { servername: target.host };
      const session = tlsSession && { session: tlsSession };
      const options = { ALPNProtocols: ['http/1.1'], ...this.#options.hostTls, ...target, ...name, ...session };
      const socket = tls.connect(options);
      socket.on('session', (fresh) => this.#owner.tlsSession = fresh);
      return socket.setNoDelay(true).on('data', (bytes: Buffer) => this.#onRead(bytes));
    }
    const callback = (size: number): boolean => this.#onRead(SHARED_BUFFER.subarray(0, size));
    return net.connect({ ...target, noDelay: true, onread: { buffer: SHARED_BUFFER, callback } });
  }

  #write({ method, path, headers, body }: HostRequest): void {
    const socket = this.#socket;
    if (!socket) return;
    let head = `${method} ${path} HTTP/1.1\r\nConnection: ${this.keepAlive ? 'keep-alive' : 'close'}\r\n`;
    head += framingOf(method, body);
    for (let i = 0; i < headers.length; i += 2) head += `${headers[i] ?? ''}: ${headers[i + 1] ?? ''}\r\n`;
    head += '\r\n';
    this.#parser.expect(method);
    if (body === undefined) {
      socket.write(head, 'latin1');
    } else if (Buffer.isBuffer(body)) {
      // In one string, as latin1 keeps each byte as it is: two writes would be two parts for the kernel to gather.
      socket.write(head + body.toString('latin1'), 'latin1');
    } else {
      this.#body = new RequestBody(body, socket);
      this.#body.send(head);
    }
  }

  #onRead(bytes: Buffer): boolean {
    this.#hasHeard = true;
    try {
      this.#parser.write(bytes);
      if (this.#parser.isInHead) this.#onPartOfHead();
    } catch (error) {
      this.#fail(toError(error), 'failed');
    }
    return !this.#isPaused;
  }

  /** A host that sends a head bit by bit, or one interim response after the other, is silent as well. */
  #onPartOfHead(): void {
    const now = performance.now();
    this.#headSince ??= now;
    if (now - this.#headSince > this.#options.hostTimeout) {
      this.#fail(new Error('the head of the response did not come in time'), 'timeout');
    }
  }

  #onHangUp(): void {
    try {
      // It may be how a response ends.
      this.#parser.end();
      this.#fail(new Error('the host has closed the connection'), this.#isConnected ? 'failed' : 'unreached');
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
    // What has come while this process itself stood still is read before that.
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
    this.#traffic?.count();
    this.#traffic = undefined;
    this.#socket?.destroy();
    this.#owner.forget(this, byHost);
  }
}
