import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import { request, startServer, type Reply, type RequestOptions } from './http';

export const HANDSHAKE = '/socket.io/?EIO=4&transport=polling';

export const open = (url: string, options?: RequestOptions): Promise<Reply> => request(url + HANDSHAKE, options);

export const openSeveral = (count: number, url: string): Promise<Reply[]> => Promise.all(Array.from({ length: count }, () => open(url)));

export const statusesOf = (replies: Reply[]): number[] => replies.map(({ status }) => status);

/** A host that knows when handshakes have come; its sids count them. */
export async function startWatch(): Promise<{ name: string; times: number[] }> {
  const times: number[] = [];
  const { name } = await startServer(({ url = '' }, res) => {
    if (url.includes('transport=')) times.push(performance.now());
    res.end(`0{"sid":"${times.length}","pingInterval":45000,"pingTimeout":0}`);
  });
  return { name, times };
}

/** A request that has come, and stays. */
export async function requestOf(): Promise<IncomingMessage> {
  const { server, port } = await startServer(() => {});
  const came = once(server, 'request') as Promise<[IncomingMessage]>;
  http.get({ port, host: '127.0.0.1', agent: false }).on('error', () => {});
  const [req] = await came;
  req.socket.setMaxListeners(0);
  return req;
}
