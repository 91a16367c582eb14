import { connect } from 'node:net';

const COMMON = 'Host: localhost\r\n' +
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n' +
  'Accept: */*\r\nAccept-Encoding: gzip, deflate\r\nOrigin: http://localhost\r\nConnection: keep-alive\r\n';
const PATH = '/socket.io/?EIO=4&transport=';

export const handshakeRequest = Buffer.from(`GET ${PATH}polling&t=P8xQ1aB HTTP/1.1\r\n${COMMON}\r\n`);

/** A POST of one packet, a PONG: what a client sends when it has nothing to say. */
export function postRequest(sid) {
  return packetRequest(sid, '3');
}

/** The same POST with the 14 fields of a browser that has a cookie for the page's site. */
export function browserRequest(sid) {
  return packetRequest(sid, '3', 'Accept-Language: de,en-US;q=0.7,en;q=0.3\r\nReferer: http://localhost/rooms/general\r\n' +
    'Cookie: session=3f0c1a7e8d9b4c5f8a6e2d1b0c9f8e7d; theme=dark\r\n' +
    'Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\n');
}

/** A POST of a packet, in ASCII. */
export function packetRequest(sid, packet, more = '') {
  return Buffer.from(`POST ${PATH}polling&t=P8xQ1aC&sid=${sid} HTTP/1.1\r\n${COMMON}${more}` +
    `Content-Type: text/plain;charset=UTF-8\r\nContent-Length: ${packet.length}\r\n\r\n${packet}`);
}

export function pollRequest(sid) {
  return Buffer.from(`GET ${PATH}polling&t=P8xQ1aD&sid=${sid} HTTP/1.1\r\n${COMMON}\r\n`);
}

export const upgradeRequest = Buffer.from(`GET ${PATH}websocket HTTP/1.1\r\n` +
  'Host: localhost\r\nConnection: Upgrade\r\n' +
  'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n');

/** A keep-alive connection that carries one request at a time, and is made again where the server ends it. */
export class Client {
  #port;
  #socket;
  #pending = '';
  #done;
  #failed;
  sid;

  constructor(port) {
    this.#port = port;
  }

  /** Calls `done` with the response's body; `failed` where it is no response with status 200. */
  send(request, done, failed) {
    this.#done = done;
    this.#failed = failed;
    if (!this.#socket) this.#open();
    this.#socket.write(request);
  }

  handshake() {
    return new Promise((resolve, reject) => {
      this.send(handshakeRequest, (body) => {
        this.sid = /"sid":"([^"]+)"/.exec(body)[1];
        resolve();
      }, reject);
    });
  }

  close() {
    this.#failed = undefined;
    this.#socket?.destroy();
  }

  /** Ends the connection, so that the next request gets a new one. A reset leaves no port that has to wait. */
  hangUp() {
    this.#socket?.resetAndDestroy();
    this.#socket = undefined;
  }

  #open() {
    const socket = this.#socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
    socket.on('data', (chunk) => this.#onData(chunk.latin1Slice()));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => {
      if (this.#socket === socket) this.#fail(new Error('the connection was closed'));
    });
  }

  #onData(chunk) {
    const text = this.#pending === '' ? chunk : this.#pending + chunk;
    const start = text.indexOf('\r\n\r\n') + 4;
    if (start === 3) {
      this.#pending = text;
      return;
    }
    const length = /\r\ncontent-length: *(\d+)/i.exec(text);
    if (!text.startsWith('HTTP/1.1 200') || !length) {
      this.#fail(new Error(`an unexpected response: ${text.slice(0, 300)}`));
      return;
    }
    if (text.length < start + Number(length[1])) {
      this.#pending = text;
      return;
    }
    this.#pending = '';
    if (/\r\nconnection: close\r\n/i.test(text.slice(0, start))) {
      this.#socket.destroy();
      this.#socket = undefined;
    }
    this.#done(text.slice(start));
  }

  #fail(error) {
    this.#socket = undefined;
    this.#pending = '';
    const failed = this.#failed;
    this.#failed = undefined;
    failed?.(error);
  }
}

/** Runs `work` for each item, so many at a time that no backlog overflows. */
export async function inBatches(items, work, size = 100) {
  for (let i = 0; i < items.length; i += size) await Promise.all(items.slice(i, i + size).map(work));
}
