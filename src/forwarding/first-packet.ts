import { MAX_HANDSHAKE_SIZE, unescape } from '../routing/sniffer';

/** The start of a JSONP body, up to its string. */
const JSONP = /^(?:\/\*\*\/)?___eio\[\d*\]\((["'])/;

/** The length that protocol 3 writes before a packet, in UTF-16 units. */
const LENGTH = /^(\d{1,6}):/;

/** What stands for one UTF-16 unit in the string of a JSONP body. */
const UNIT = /\\u[\da-f]{4}|\\.|[^\\]/gis;

/** What ends a packet of protocol 4, and in the string of a JSONP body. */
const SEPARATOR = '\x1e';
const ESCAPED_SEPARATOR = '\\u001e';

/** Where the first packet of a text stands. */
interface Place {
  /** What is before it, but for its length. */
  readonly opening: string;
  /** The quote of the string that holds it, for JSONP. */
  readonly quote: string | undefined;
  readonly hasLength: boolean;
  /** The packet as it stands there. */
  readonly raw: string;
  /** Where it ends, in characters. */
  readonly end: number;
}

/**
 * The body of a handshake's response, or its beginning, with another sid in its OPEN packet. All that follows the
 * packet stays as it is, byte by byte.
 *
 * @param body not compressed.
 * @returns `undefined` if it does not begin with an OPEN packet in UTF-8.
 */
export function withSid(body: Buffer, sid: string): Buffer | undefined {
  return body[0] === 0 ? binaryWith(body, sid) : textWith(body, sid);
}

/** In the binary framing of protocol 3, a length counts bytes. */
function binaryWith(body: Buffer, sid: string): Buffer | undefined {
  const start = body.indexOf(0xff) + 1;
  const end = start + Number(body.subarray(1, start - 1).join(''));
  const packet = packetWith(body.toString('utf8', start, end), sid);
  if (packet === undefined) return undefined;
  const bytes = Buffer.from(packet);
  const digits = Array.from(String(bytes.length), Number);
  return Buffer.concat([Buffer.from([0, ...digits, 0xff]), bytes, body.subarray(end)]);
}

function textWith(body: Buffer, sid: string): Buffer | undefined {
  const text = body.toString('utf8', 0, MAX_HANDSHAKE_SIZE);
  const { opening, quote, hasLength, raw, end } = placeOf(text);
  const before = Buffer.from(text.slice(0, end));
  if (!body.subarray(0, before.length).equals(before)) return undefined;
  const packet = packetWith(quote === undefined ? raw : unescape(raw, quote), sid);
  if (packet === undefined) return undefined;
  const shown = `${opening}${hasLength ? `${packet.length}:` : ''}${escape(packet, quote)}`;
  return Buffer.concat([Buffer.from(shown), body.subarray(before.length)]);
}

function placeOf(text: string): Place {
  const [opening = '', quote] = JSONP.exec(text) ?? [];
  const [prefix = '', length] = LENGTH.exec(text.slice(opening.length)) ?? [];
  const rest = text.slice(opening.length + prefix.length);
  const raw = quote === undefined ? rest.slice(0, endOf(rest, length)) : rawOf(rest, quote, length);
  return { opening, quote, hasLength: prefix !== '', raw, end: opening.length + prefix.length + raw.length };
}

function endOf(text: string, length: string | undefined): number {
  if (length !== undefined) return Number(length);
  const end = text.indexOf(SEPARATOR);
  return end === -1 ? text.length : end;
}

/** The first packet in the rest of a JSONP body. */
function rawOf(rest: string, quote: string, length: string | undefined): string {
  let raw = '';
  let count = 0;
  for (const [unit] of rest.matchAll(UNIT)) {
    const isOver = length === undefined ? unit === quote || isSeparator(unit) : count === Number(length);
    if (isOver) break;
    raw += unit;
    count += 1;
  }
  return raw;
}

function isSeparator(unit: string): boolean {
  return unit === SEPARATOR || unit.toLowerCase() === ESCAPED_SEPARATOR;
}

/** `undefined` if it is no OPEN packet. */
function packetWith(packet: string, sid: string): string | undefined {
  try {
    const open: unknown = JSON.parse(packet.slice(1));
    return packet.startsWith('0{') ? `0${JSON.stringify({ ...Object(open), sid })}` : undefined;
  } catch {
    return undefined;
  }
}

function escape(packet: string, quote: string | undefined): string {
  switch (quote) {
    case undefined: return packet;
    // See `unescape`.
    case "'": return packet.replace(/[\\']/g, '\\$&');
    // Until 2019, these two ended a line of JavaScript.
    default: return JSON.stringify(packet).slice(1, -1).replace(/\u2028/g, '\\u2028').replace(/\u2029/g, '\\u2029');
  }
}
