import http, { type ClientRequest, type RequestOptions } from 'node:http';
import https from 'node:https';
import type { Host } from './host';
import type { HostTls } from './host-tls';

/** Starts a request to a host, on a new connection. */
export function requestTo(host: Host, hostTls: HostTls, options: RequestOptions): ClientRequest {
  // Responses are parsed strictly, even under `node --insecure-http-parser`.
  const strict = { agent: false, insecureHTTPParser: false };
  const { hostname, port, address: { lookup } } = host;
  const target = { ...options, ...strict, hostname, port, lookup, autoSelectFamily: true };
  const request = host.url.protocol === 'https:' ? https.request({ ...hostTls, ...target }) : http.request(target);
  return request.once('socket', (socket) => host.address.watch(socket));
}
