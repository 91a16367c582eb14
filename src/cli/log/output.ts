import type { WriteStream } from 'node:tty';

/** Where lines go: a terminal, a pipe or a file. */
export type Output = NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY' | 'columns' | 'writableLength'>>;

/** How many bytes may wait for a reader that has stalled; what comes beyond is left out rather than held in memory. */
const MAX_WAITING = 1024 * 1024;

/** Writes it, unless as much waits already as may. */
export function write(output: Output, text: string | Uint8Array): void {
  if ((output.writableLength ?? 0) < MAX_WAITING) output.write(text);
}
