import { IncomingMessage, type IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';

/** The head of a client's request: as Node has read it, or as the proxy has. */
export interface RequestHead {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly httpVersion: string;
  readonly rawHeaders: readonly string[];
  readonly headers: IncomingHttpHeaders;
  readonly socket: Socket;
}

/** A head that every server reads alike, so that nothing but its target need be checked. */
export interface PlainHead extends RequestHead {
  readonly isPlain: true;
}

/** The head as Node shows it to users. */
export function messageOf(head: RequestHead): IncomingMessage {
  if (head instanceof IncomingMessage) return head;
  const message = new IncomingMessage(head.socket);
  const { method = '', url = '', httpVersion, rawHeaders, headers } = head;
  const [major, minor] = httpVersion.split('.').map(Number);
  return Object.assign(message, {
    method, url, httpVersion, httpVersionMajor: major, httpVersionMinor: minor,
    rawHeaders: [...rawHeaders], headers: { ...headers }, complete: true,
  });
}
