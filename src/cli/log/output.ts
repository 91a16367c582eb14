import type { WriteStream } from 'node:tty';

/** An output for lines: a terminal, a pipe or a file. */
export type Output = NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY' | 'columns' | 'writableLength'>>;

/** The most bytes to buffer for a stalled reader. Further output is dropped. */
const MAX_WAITING = 1024 * 1024;

/** Writes `text`, or drops it if the buffer is full. */
export function write(output: Output, text: string | Uint8Array): void {
  if ((output.writableLength ?? 0) < MAX_WAITING) output.write(text);
}
