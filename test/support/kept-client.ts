import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import tls from 'node:tls';
import { onCleanup } from './cleanup';

/** A client that sends bytes on one connection, and reads the responses one after the other. */
export class KeptClient {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  #text = '';
  #arrived = (): void => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {}).on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1');
      this.#arrived();
    });
    socket.on('close', () => this.#arrived());
    onCleanup(() => socket.destroy());
  }

  static async connect(port: number, ca?: string): Promise<KeptClient> {
    const to = { port, host: '127.0.0.1' };
    const socket = ca === undefined ? net.connect(to) : tls.connect({ ...to, ca });
    await once(socket, ca === undefined ? 'connect' : 'secureConnect');
    return new KeptClient(socket);
  }

  /** Sends bytes, and resolves with the next response. */
  async ask(bytes: string): Promise<string> {
    this.socket.write(bytes, 'latin1');
    return this.response();
  }

  /** The next response, as it came, in latin1; what there is of it if the connection ends. */
  async response(): Promise<string> {
    for (let length: number | undefined; ;) {
      // Once it is known: a long one is not looked through again with each piece that comes.
      length ??= lengthOf(this.#text);
      if ((length !== undefined && this.#text.length >= length) || this.socket.destroyed) {
        const response = this.#text.slice(0, length);
        this.#text = this.#text.slice(response.length);
        return response;
      }
      await new Promise<void>((resolve) => (this.#arrived = resolve));
    }
  }
}

/** How long the response is with which the text begins; `undefined` while that does not show. */
function lengthOf(text: string): number | undefined {
  const head = text.indexOf('\r\n\r\n') + 4;
  if (head === 3) return undefined;
  if (/^HTTP\/1\.1 (?:204|304)/.test(text)) return head;
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(text.slice(0, head))?.[1];
  if (length !== undefined) return head + Number(length);
  const last = text.indexOf('0\r\n\r\n', head);
  return last === -1 ? undefined : last + 5;
}
