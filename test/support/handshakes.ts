import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { request, startServer, type Reply, type RequestOptions } from './http';

export const HANDSHAKE = '/socket.io/?EIO=4&transport=polling';

export const open = (url: string, options?: RequestOptions): Promise<Reply> => request(url + HANDSHAKE, options);

export const openSeveral = (count: number, url: string): Promise<Reply[]> => Promise.all(Array.from({ length: count }, () => open(url)));

export const statusesOf = (replies: Reply[]): number[] => replies.map(({ status }) => status);

/** A host that knows when handshakes have come; its sids count them. */
export async function startWatch(): Promise<{ name: string; times: number[] }> {
  const times: number[] = [];
  const { name } = await startServer(({ url = '' }, res) => {
    if (url.includes('transport=')) times.push(jest.now());
    res.end(`0{"sid":"${times.length}","pingInterval":45000,"pingTimeout":0}`);
  });
  return { name, times };
}

/** Requests that have come, a few on each connection, whose clients stay. */
export function requestsOf(count: number): IncomingMessage[] {
  let socket = new Socket();
  return Array.from({ length: count }, (_, i) => {
    if (i % 20 === 0) socket = new Socket().setMaxListeners(0);
    return new IncomingMessage(socket);
  });
}
