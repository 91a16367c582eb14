import { startNginx } from '../hosts.mjs';
import { freePorts } from '../processes.mjs';

/** nginx with one worker: it hashes the sid, which serves for the cost of a poll and not for a handshake. */
export async function startNginxProxy({ hosts }) {
  const [port] = await freePorts(1);
  return startNginx(port, `
    upstream hosts {
      hash $arg_sid consistent;
      ${hosts.map((host) => `server 127.0.0.1:${host};`).join(' ')}
      keepalive 256;
      keepalive_requests 100000000;
    }
    server {
      listen 127.0.0.1:${port} backlog=4096;
      location / {
        proxy_pass http://hosts;
        proxy_http_version 1.1;
        proxy_set_header Connection '';
      }
    }`);
}
