import { ClientRequest, type RequestOptions } from 'node:http';
import { Agent } from 'node:https';
import type { Host } from './host';
import type { HostTls } from './host-tls';

/**
 * Starts a request to a host, on a new connection. Not by `http.request`: tracers put in its place what takes a list of
 * headers for an object, and a host would see none of an upgrade's.
 */
export function requestTo(host: Host, hostTls: HostTls, options: RequestOptions): ClientRequest {
  const { hostname, port, address: { lookup } } = host;
  // Responses are parsed strictly, even under `node --insecure-http-parser`.
  const target = { ...options, insecureHTTPParser: false, hostname, port, lookup, autoSelectFamily: true };
  const request = new ClientRequest(host.url.protocol === 'https:'
    ? { ...hostTls, ...target, protocol: 'https:', agent: new Agent() } : { ...target, agent: false });
  return request.once('socket', (socket) => host.address.watch(socket));
}
