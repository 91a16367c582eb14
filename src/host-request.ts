import http, { type ClientRequest, type RequestOptions } from 'node:http';
import https from 'node:https';
import type { Host } from './host';
import type { HostTls } from './proxy-options';

/** Begins a request to a host, on a connection of its own. */
export function requestTo(host: Host, hostTls: HostTls, options: RequestOptions): ClientRequest {
  const target = { ...options, hostname: host.address, port: host.port, agent: false };
  return host.url.protocol === 'https:' ? https.request({ ...hostTls, ...target }) : http.request(target);
}
