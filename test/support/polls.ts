import type { SessionStore } from '../../src';

/** A poll's bytes, for a socket that is to be left in some way of its own. */
export const pollBytes = (sid: string): string =>
  `GET /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: a\r\n\r\n`;

/** A store in which every sid is bound to the host. */
export function storeThatSays(host: string): SessionStore {
  return { bind: () => Promise.resolve(), unbind: () => Promise.resolve(), find: () => Promise.resolve(host) };
}
