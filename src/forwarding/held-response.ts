import { withSid } from './first-packet';
import { headerOf, setLength } from './headers';
import {
  decompress, MAX_HANDSHAKE_SIZE, MAX_SID_LENGTH, openPacketOf, openPacketOfStart, type OpenPacket,
} from '../routing/sniffer';

/** A handshake's response, held back until its sid is bound. */
export class HeldResponse {
  readonly status: number;
  readonly message: string;
  readonly headers: string[];
  /** Its session is being bound by its first packet, and what follows need not be read. */
  isOpening = false;
  readonly #isLarge: boolean;
  readonly #encoding: string | undefined;
  #chunks: Buffer[] = [];
  #size = 0;
  /** The size from which the first packet is looked for again: a host may send byte by byte. */
  #nextLook = 0;

  constructor(status: number, message: string, headers: string[]) {
    this.status = status;
    this.message = message;
    this.headers = headers;
    this.#encoding = headerOf(headers, 'content-encoding');
    this.#isLarge = Number(headerOf(headers, 'content-length')) > MAX_HANDSHAKE_SIZE;
  }

  /** The body so far. */
  get body(): Buffer {
    const [only] = this.#chunks;
    if (this.#chunks.length === 1 && only) return only;
    const body = Buffer.concat(this.#chunks);
    // Asked for more than once, and joined once.
    this.#chunks = [body];
    return body;
  }

  /** The packet of a response that has come whole. */
  get packet(): OpenPacket | undefined {
    // Compressed, it may be small and yet hold more than is inflated here.
    return openPacketOf(this.body, this.#encoding) ?? openPacketOfStart(this.body, this.#encoding);
  }

  /**
   * Gives the session another sid, in the part of the body that has come.
   *
   * @returns false if that cannot be done: the sid is too long, or the body too large for a compressed one.
   */
  rename(sid: string): boolean {
    const { body, headers } = this;
    const plain = decompress(body, this.#encoding);
    const renamed = plain && sid.length <= MAX_SID_LENGTH ? withSid(plain, sid) : undefined;
    if (!renamed) return false;
    // What is still to come of a plain body stays as it is.
    const rest = plain === body ? Number(headerOf(headers, 'content-length') ?? body.length) - body.length : 0;
    setLength(headers, renamed.length + rest);
    this.#chunks = [renamed];
    return true;
  }

  /**
   * Adds a part of the body. Looks for the first packet once it is known that the response is too large to be gathered.
   *
   * @returns `undefined` while more must be gathered; false if the response opens no session.
   */
  add(chunk: Buffer): OpenPacket | false | undefined {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    const isFull = this.#size > MAX_HANDSHAKE_SIZE;
    if (this.isOpening || !(isFull || (this.#isLarge && this.#size >= this.#nextLook))) return undefined;
    this.#nextLook = 2 * this.#size;
    return openPacketOfStart(this.body, this.#encoding) ?? (isFull ? false : undefined);
  }
}
