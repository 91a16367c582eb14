import { startNginx } from '../hosts.mjs';
import { freePorts, versionOf } from '../processes.mjs';

/** The first version whose `sticky learn` is free. */
export const LEARNS = '1.29.6';

export function nginxLearns() {
  const [major, minor, patch] = /nginx\/([\d.]+)/.exec(versionOf('nginx') ?? '')?.[1].split('.').map(Number) ?? [0, 0, 0];
  const [wanted, least, last] = LEARNS.split('.').map(Number);
  return major > wanted || (major === wanted && (minor > least || (minor === least && patch >= last)));
}

/** nginx with one worker: it hashes the sid, which serves for the cost of a poll and not for a handshake. */
export function startNginxProxy({ hosts }) {
  return serve(hosts, 'hash $arg_sid consistent;');
}

/** nginx with one worker that learns the sid from the cookie of a handshake's answer, which the hosts have to set. */
export function startStickyNginx({ hosts }) {
  return serve(hosts, 'zone hosts 1m; sticky learn create=$upstream_cookie_io lookup=$arg_sid zone=sessions:16m;');
}

async function serve(hosts, balance) {
  const [port] = await freePorts(1);
  return startNginx(port, `
    upstream hosts {
      ${balance}
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
