import type { Socket } from 'node:net';

/** How long a socket is read after a write to it has failed, in ms: what the host sent before has arrived by then. */
const LAST_READ_TIME = 1000;

/**
 * Lets a socket be read to its end after a write has failed. A host may answer before it has read the request, as with
 * 413, and close: its answer then waits in the socket when the write fails, but Node would destroy the socket unread.
 */
export function readAfterFailedWrite(socket: Socket): void {
  const destroy = socket.destroy.bind(socket);
  let failed: NodeJS.Timeout | undefined;
  socket.destroy = (error) => {
    if (!isOfWrite(error)) return destroy(error);
    if (!failed) {
      // Reading ends with an error or an end of its own, unless the host has neither closed nor reset the connection.
      const timer = failed = setTimeout(() => destroy(error), LAST_READ_TIME);
      socket.once('close', () => clearTimeout(timer));
    }
    return socket;
  };
}

function isOfWrite(error: Error | undefined): boolean {
  return error !== undefined && Reflect.get(error, 'syscall') === 'write';
}
