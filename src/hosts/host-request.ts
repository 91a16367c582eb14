import http, { type ClientRequest, type RequestOptions } from 'node:http';
import https from 'node:https';
import type { Host } from './host';
import type { HostTls } from './host-tls';

/** Starts a request to a host, on a new connection. */
export function requestTo(host: Host, hostTls: HostTls, options: RequestOptions): ClientRequest {
  // Responses are parsed strictly, even under `node --insecure-http-parser`.
  const strict = { agent: false, insecureHTTPParser: false };
  const target = { ...options, ...strict, hostname: host.address, port: host.port };
  return host.url.protocol === 'https:' ? https.request({ ...hostTls, ...target }) : http.request(target);
}
