/** The most bytes of a frame's header. */
const MAX_HEADER = 14;

const CLOSE = 0x8;

/** The start of a frame's header, as long as the rest has not come. */
const NOTHING = Buffer.alloc(0);

/**
 * A close frame of a server, with the code 1001: the server goes away (RFC 6455 §7.4.1). Every client knows that code;
 * older ones take 1012 (service restart) for an error of the protocol.
 */
export const GOING_AWAY = Buffer.from([0x80 | CLOSE, 2, 1001 >> 8, 1001 & 0xff]);

/**
 * Follows the frames of one direction of a WebSocket (RFC 6455 §5.2) as they pass. It reads headers only: extensions
 * such as compression change nothing about them.
 */
export class Frames {
  /** How many bytes of the current frame are still to come after its header. */
  #left = 0;
  /** The bytes of a header whose rest has not come: fewer than it takes to know the size of its frame. */
  #header = NOTHING;
  #isClosed = false;

  /** Another frame may be added here: the last one is whole, and was no close frame. */
  get mayAdd(): boolean {
    return this.#left === 0 && this.#header.length === 0 && !this.#isClosed;
  }

  follow(chunk: Buffer): void {
    if (this.#left >= chunk.length) {
      this.#left -= chunk.length;
      return;
    }
    let at = this.#left;
    let bytes = chunk;
    if (this.#header.length > 0) {
      // Never more than a header's bytes and the chunk's: a whole header is not kept.
      bytes = Buffer.concat([this.#header, chunk]);
      this.#header = NOTHING;
    }
    while (at < bytes.length) {
      const size = sizeOf(bytes, at);
      if (size === undefined) {
        // A copy, since the rest of the chunk would stay in memory with it.
        this.#header = Buffer.from(bytes.subarray(at, at + MAX_HEADER));
        this.#left = 0;
        return;
      }
      if (((bytes[at] ?? 0) & 0x0f) === CLOSE) this.#isClosed = true;
      at += size;
    }
    this.#left = at - bytes.length;
  }
}

/** The size of the frame that begins at `at`, with its header; `undefined` as long as its header is not whole. */
function sizeOf(bytes: Buffer, at: number): number | undefined {
  const available = bytes.length - at;
  if (available < 2) return undefined;
  const second = bytes[at + 1] ?? 0;
  const short = second & 0x7f;
  const masked = second > 0x7f ? 4 : 0;
  if (short < 126) return 2 + masked + short;
  if (short === 126) return available < 4 ? undefined : 4 + masked + bytes.readUInt16BE(at + 2);
  return available < 10 ? undefined : 10 + masked + bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6);
}
