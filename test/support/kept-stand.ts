import { EventEmitter, once } from 'node:events';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { PartialProxyOptions } from '../../src';
import { startServer } from './http';
import { KeptClient } from './kept-client';
import { startProxy, type Started } from './proxy';
import { clientSid, storeOf } from './stores';
import { until } from './until';

const PATH = '/socket.io/?EIO=4&transport=polling';
export const OPEN = '0{"sid":"s1","upgrades":[],"pingInterval":25000,"pingTimeout":20000}';

/** The name by which clients' sids call the host: see `storeOf`. */
export const ALIAS = 'kept.example:80';
/** The session as clients call it. */
export const SID = clientSid('s1', ALIAS);

export const get = (query = `&sid=${SID}`, ...lines: string[]): string =>
  [`GET ${PATH}${query} HTTP/1.1`, 'Host: a.example', ...lines, '', ''].join('\r\n');
export const post = (body: string, ...lines: string[]): string =>
  [`POST ${PATH}&sid=${SID} HTTP/1.1`, 'Host: a.example', `Content-Length: ${body.length}`, ...lines, '', body].join('\r\n');
export const ok: RequestListener = (_, res) => res.end('ok');

export interface Stand extends Started {
  /** Sends a poll, or the rest of a request with `&hold`, and resolves with the response that the host holds back. */
  hold: (kept: KeptClient, bytes?: string) => Promise<ServerResponse>;
  /** What each request that has reached the host was. */
  seen: string[];
  host: Server;
  /** Resolves when all that the client has sent was read. */
  read: (kept: KeptClient) => Promise<unknown>;
}

/** A proxy before a host that opens a session, holds polls with `&hold`, and otherwise does what the handler does. */
export async function stand(options: PartialProxyOptions = {}, handler = ok): Promise<Stand> {
  const polls = new EventEmitter();
  const seen: string[] = [];
  const { name, server } = await startServer((req, res) => {
    const { method = '', url = '', rawHeaders } = req;
    if (!url.includes('transport')) {
      res.end();
      return;
    }
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      seen.push([method, url, ...rawHeaders, Buffer.concat(chunks).toString('latin1')].join('|'));
      if (!url.includes('sid=')) res.end(OPEN);
      else if (url.includes('&hold')) polls.emit('held', res);
      else handler(req, res);
    });
  }, { keepAliveTimeout: 60_000 });
  const started = await startProxy({
    hosts: [name], store: storeOf(name, ALIAS), checkInterval: 3_600_000, changeOrigin: false, ...options,
  });
  await until('the host is up', () => started.proxy.hosts[0]?.state === 'up');
  const sockets = new Map<number | undefined, Socket>();
  started.proxy.server.on('connection', (socket: Socket) => sockets.set(socket.remotePort, socket));
  const read = ({ socket }: KeptClient): Promise<unknown> =>
    until('it was read', () => sockets.get(socket.localPort)?.bytesRead === socket.bytesWritten);
  const hold = async ({ socket }: KeptClient, bytes = get(`&sid=${SID}&hold`)): Promise<ServerResponse> => {
    const held = once(polls, 'held') as Promise<[ServerResponse]>;
    socket.write(bytes, 'latin1');
    return (await held)[0];
  };
  return { ...started, hold, seen, host: server, read };
}

/** A client whose session is open, and whose connection Node has read a request from. */
export async function client({ port }: { port: number }, ca?: string): Promise<KeptClient> {
  const kept = await KeptClient.connect(port, ca);
  expect(await kept.ask(get(''))).toMatch(/^HTTP\/1\.1 200 /);
  return kept;
}
