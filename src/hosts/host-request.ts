import http, { type ClientRequest, type RequestOptions } from 'node:http';
import https from 'node:https';
import type { Host } from './host';
import type { HostTls } from './host-tls';

/** Begins a request to a host, on a connection of its own. */
export function requestTo(host: Host, hostTls: HostTls, options: RequestOptions): ClientRequest {
  // What the process as a whole may have been told does not loosen how an answer is read.
  const strict = { agent: false, insecureHTTPParser: false };
  const target = { ...options, ...strict, hostname: host.address, port: host.port };
  return host.url.protocol === 'https:' ? https.request({ ...hostTls, ...target }) : http.request(target);
}
