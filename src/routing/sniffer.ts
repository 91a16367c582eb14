import {
  brotliDecompressSync, constants, gunzipSync, inflateRawSync, inflateSync, type BrotliOptions, type ZlibOptions,
} from 'node:zlib';

/** The longest sid that is bound, in characters. */
export const MAX_SID_LENGTH = 512;

/** The largest handshake response that is read, both as sent and decompressed, in bytes. */
export const MAX_HANDSHAKE_SIZE = 65_536;

/** The longest lifetime that a server can claim for a session, in seconds. */
const MAX_LIFETIME = 86_400;

/** How much of a compressed response is read for its first packet, in bytes. */
const MAX_START = 2048;

/** The content codings that are read. */
const READABLE = /^\s*(?:(?:x-)?gzip|deflate|br|identity)\s*(?:;|$)/i;

/** The beginning of a JavaScript string's content, up to its last whole escape or what follows it. */
const WHOLE_ESCAPES = /^(?:[^\\]|\\(?:u[\da-f]{4}|[^u]))*/is;

/** Options of decompressors. */
interface Decompression {
  readonly zlib: ZlibOptions;
  readonly brotli: BrotliOptions;
}

const WHOLE: Decompression = {
  zlib: { maxOutputLength: MAX_HANDSHAKE_SIZE }, brotli: { maxOutputLength: MAX_HANDSHAKE_SIZE },
};

/** For input that ends anywhere. A byte of deflate stands for up to 1,032. */
const BEGINNING: Decompression = {
  zlib: { maxOutputLength: MAX_START * 1100, finishFlush: constants.Z_SYNC_FLUSH },
  brotli: { maxOutputLength: MAX_START * 1100, finishFlush: constants.BROTLI_OPERATION_FLUSH },
};

/** The content of Engine.IO's OPEN packet, the first that a server sends in a session. */
export interface OpenPacket {
  readonly sid: string;
  /** How long the session survives without a packet of its client (`pingInterval` + `pingTimeout`), in seconds. */
  readonly lifetime: number;
}

/**
 * The `sid` in a request's URL; `undefined` if there is none. An empty, repeated or too long sid gives `''`, which is
 * never bound.
 */
export function sidOf(url: string): string | undefined {
  const start = url.indexOf('?');
  if (start === -1) return undefined;
  // Encoded names and values are rare, so the exact parser may be slow.
  const isEncoded = url.includes('%', start) || url.includes('+', start);
  const [sid, other] = isEncoded ? queryOf(url).getAll('sid') : plainSidsOf(url, start);
  if (sid === undefined) return undefined;
  return other !== undefined || sid.length > MAX_SID_LENGTH ? '' : sid;
}

/** The parsed query of a URL. */
export function queryOf(url: string): URLSearchParams {
  // `URLSearchParams` drops a leading "?", here the second one of the URL. The "&" prevents that.
  return new URLSearchParams(`&${url.slice(url.indexOf('?') + 1)}`);
}

/** @param start where the query begins, at its question mark. */
function plainSidsOf(url: string, start: number): string[] {
  const sids: string[] = [];
  for (let at = url.indexOf('sid', start); at !== -1; at = url.indexOf('sid', at + 1)) {
    if (at !== start + 1 && url[at - 1] !== '&') continue;
    const next = url[at + 3];
    if (next !== undefined && next !== '=' && next !== '&') continue;
    const end = url.indexOf('&', at + 3);
    sids.push(next === '=' ? url.slice(at + 4, end === -1 ? url.length : end) : '');
  }
  return sids;
}

/** Whether the client uses JSONP, and so sends its packets as forms. */
export function isJsonp(url: string): boolean {
  return /[?&]j=/.test(url);
}

/** Whether a request with this URL and no sid may open a session by polling. */
export function mayOpenByPolling(url: string): boolean {
  if (/[?&]transport=polling(?:&|$)/.test(url)) return true;
  return url.includes('%') && queryOf(url).get('transport') === 'polling';
}

/**
 * Reads the OPEN packet of a handshake's response, in any of Engine.IO's framings: protocol 4, protocol 3 with length
 * prefixes in text or binary, and JSONP around either. Only the first packet counts.
 *
 * @param encoding the response's `Content-Encoding`.
 * @returns `undefined` when the body is no OPEN packet, or its sid cannot be bound.
 */
export function openPacketOf(body: Buffer, encoding: string | undefined): OpenPacket | undefined {
  const plain = decompress(body, encoding);
  if (!plain) return undefined;
  return parse(plain[0] === 0 ? binaryPacketOf(plain) : textPacketOf(unwrapJsonp(plain.toString())));
}

/**
 * Reads the OPEN packet from the beginning of a handshake's response that is too large to be gathered, as when a server
 * sends a whole state with it.
 *
 * @param start the first `MAX_HANDSHAKE_SIZE` bytes or more.
 * @param encoding the response's `Content-Encoding`.
 * @returns `undefined` when the response does not begin with an OPEN packet, or its sid cannot be bound.
 */
export function openPacketOfStart(start: Buffer, encoding: string | undefined): OpenPacket | undefined {
  const isPlain = encoding === undefined || /^\s*(?:identity)?\s*$/i.test(encoding);
  const plain = isPlain ? start.subarray(0, MAX_HANDSHAKE_SIZE)
    : decompress(start.subarray(0, MAX_START), encoding, BEGINNING);
  if (!plain) return undefined;
  return parse(plain[0] === 0 ? binaryPacketOf(plain) : textPacketOf(unwrapJsonpStart(plain.toString())));
}

/**
 * Limits the codings in `Accept-Encoding` to those that can be read here.
 *
 * @param accepted the field's value (RFC 9110 §12.5.3).
 */
export function readableEncodings(accepted: string): string {
  const members = accepted.split(',');
  const readable = members.filter((member) => READABLE.test(member));
  if (readable.length === members.length) return accepted;
  return readable.length > 0 ? readable.join(',').trim() : 'identity';
}

/**
 * Reads the OPEN packet from the first bytes that a host sends on a WebSocket (RFC 6455 §5.2).
 *
 * @returns `'incomplete'` while the first frame has not arrived whole; `undefined` when it is no OPEN packet.
 */
export function openPacketOfFrame(bytes: Buffer): OpenPacket | undefined | 'incomplete' {
  const [first, second] = bytes;
  if (first === undefined || second === undefined) return 'incomplete';
  // A final text frame, possibly compressed (RSV1, RFC 7692), and unmasked, since a server sends it. The OPEN packet is
  // usually under 125 bytes. 127 marks a length of 64 bits, which no OPEN packet has.
  const isCompressed = first === 0xc1;
  if ((first !== 0x81 && !isCompressed) || second > 126) return undefined;
  const start = second === 126 ? 4 : 2;
  if (bytes.length < start) return 'incomplete';
  const end = start + (second === 126 ? bytes.readUInt16BE(2) : second);
  if (bytes.length < end) return 'incomplete';
  const payload = bytes.subarray(start, end);
  return parse((isCompressed ? inflateFrame(payload) : payload).toString());
}

/** The sender omits the end of the compressed data (RFC 7692), hence `Z_SYNC_FLUSH`. */
function inflateFrame(payload: Buffer): Buffer {
  try {
    return inflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: MAX_HANDSHAKE_SIZE });
  } catch {
    return Buffer.alloc(0);
  }
}

/**
 * Undoes a content coding. A body without one comes back as it is.
 *
 * @returns `undefined` if the body is not whole, too large, or in another coding than those that are read.
 */
export function decompress(body: Buffer, encoding: string | undefined, { zlib, brotli } = WHOLE): Buffer | undefined {
  try {
    switch (encoding?.trim().toLowerCase()) {
      case undefined: case '': case 'identity': return body;
      case 'gzip': case 'x-gzip': return gunzipSync(body, zlib);
      case 'br': return brotliDecompressSync(body, brotli);
      // "deflate" means the zlib format (RFC 9110 §8.4.1.2), but some servers send raw deflate. A zlib header has
      // method 8 and is a multiple of 31 (RFC 1950 §2.2).
      case 'deflate': return isZlib(body) ? inflateSync(body, zlib) : inflateRawSync(body, zlib);
      default: return undefined;
    }
  } catch {
    return undefined;
  }
}

function isZlib(body: Buffer): boolean {
  return body.length >= 2 && (body.readUInt8(0) & 0x0f) === 8 && body.readUInt16BE(0) % 31 === 0;
}

/** `___eio[0]("…");` holds the payload as a JavaScript string. netty-socketio puts it in single quotes. */
function unwrapJsonp(text: string): string {
  const [, quote, literal] = /^(?:\/\*\*\/)?___eio\[\d*\]\((["'])(.*)\1\);?\s*$/s.exec(text) ?? [];
  return literal === undefined ? text : unescape(literal, quote);
}

/** The same for a beginning, whose string ends anywhere. */
function unwrapJsonpStart(text: string): string {
  const [, quote, literal] = /^(?:\/\*\*\/)?___eio\[\d*\]\((["'])(.{0,8192})/s.exec(text) ?? [];
  if (literal === undefined) return text;
  // Without an escape that was cut. The first packet ends well before.
  return unescape(WHOLE_ESCAPES.exec(literal)?.[0] ?? '', quote);
}

/** What a JavaScript string stands for, in double quotes or single ones. `''` if it is none. */
export function unescape(literal: string, quote: string | undefined): string {
  // netty-socketio escapes a backslash and a single quote, and nothing else.
  if (quote === "'") return literal.replace(/\\(.)/gs, '$1');
  const payload = parseJson(`"${literal}"`);
  return typeof payload === 'string' ? payload : '';
}

/** Protocol 4 separates packets by U+001E; protocol 3 writes `<length>:` before each, in UTF-16 units. */
function textPacketOf(payload: string): string {
  const prefix = /^(\d{1,6}):/.exec(payload);
  if (prefix) return payload.slice(prefix[0].length, prefix[0].length + Number(prefix[1]));
  const end = payload.indexOf('\x1e');
  return end === -1 ? payload : payload.slice(0, end);
}

/** Protocol 3: 0 for a string, the digits of its length as bytes 0–9, 0xff, the packet. */
function binaryPacketOf(payload: Buffer): string {
  const end = payload.indexOf(0xff);
  if (end < 2 || end > 7) return '';
  let length = 0;
  for (const digit of payload.subarray(1, end)) {
    if (digit > 9) return '';
    length = length * 10 + digit;
  }
  return payload.toString('utf8', end + 1, end + 1 + length);
}

function parse(packet: string): OpenPacket | undefined {
  if (!packet.startsWith('0{')) return undefined;
  const open = parseJson(packet.slice(1));
  if (typeof open !== 'object' || open === null || !('sid' in open)) return undefined;
  // Engine.IO's clients write a number into their URLs as they would a string.
  const sid: unknown = typeof open.sid === 'number' ? String(open.sid) : open.sid;
  if (typeof sid !== 'string' || sid === '' || sid.length > MAX_SID_LENGTH) return undefined;
  const ms = millisecondsOf(open, 'pingInterval') + millisecondsOf(open, 'pingTimeout');
  return { sid, lifetime: Math.min(ms / 1000, MAX_LIFETIME) };
}

function millisecondsOf(open: object, name: string): number {
  const value: unknown = Reflect.get(open, name);
  return typeof value === 'number' && value > 0 ? value : 0;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
