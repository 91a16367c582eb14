import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** Smaller ones cost less than to free them. In bytes. */
const LEAST = 16_384;

/** Gives the memory of an `ArrayBuffer` back at once: from Node.js 21 on. */
const transfer: unknown = Reflect.get(ArrayBuffer.prototype, 'transfer');

/** Whether this Node.js can free chunks at all. */
export const CAN_FREE = typeof transfer === 'function';

/** As it is before anybody wraps it. */
const write: unknown = Reflect.get(Socket.prototype, 'write');

/**
 * Frees a large chunk that was read from one socket and written to another, if the kernel has taken all of it. V8 frees
 * it much later, and marks the whole heap whenever 64 MB of such chunks are waiting: that was measured to take half of
 * the CPU of WebSocket messages of 64 KiB.
 *
 * @param listeners how many listeners of ours read `from`. Where there are others, they may still want the chunk.
 */
export function freeSpent(chunk: Buffer, from: Duplex, to: Duplex, listeners: number): void {
  if (chunk.length < LEAST || typeof transfer !== 'function') return;
  // A stream of another kind may keep what it says it has written.
  if (!(to instanceof Socket) || Reflect.get(to, 'write') !== write) return;
  if (to.writableLength > 0 || from.listenerCount('data') !== listeners) return;
  const { buffer } = chunk;
  if (buffer.byteLength === chunk.length) Reflect.apply(transfer, buffer, [0]);
}
