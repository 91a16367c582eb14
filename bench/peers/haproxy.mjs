import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, startProgram } from '../processes.mjs';

/** HAProxy on one thread, with a stick table that learns the sid from the handshake's body. */
export async function startHaproxy({ hosts }) {
  const [port] = await freePorts(1);
  return startOne(port, hosts);
}

/** Two of them that tell each other what they learn. The first one gets the load, and CPU is that of both. */
export async function startHaproxyWithPeers({ hosts }) {
  const [port, otherPort, ...peerPorts] = await freePorts(4);
  const table = `peers table\n${peerPorts.map((peerPort, i) => `  peer haproxy${i} 127.0.0.1:${peerPort}\n`).join('')}`;
  const one = await startOne(port, hosts, { name: 'haproxy0', table });
  const other = await startOne(otherPort, hosts, { name: 'haproxy1', table });
  return {
    port,
    call: async (method) => await one.call(method) + await other.call(method),
    end: () => Promise.all([one.end(), other.end()]),
  };
}

/** @param peer its name among those that share its table, and their section. */
function startOne(port, hosts, peer) {
  const folder = mkdtempSync(join(tmpdir(), 'bench-haproxy-'));
  const config = join(folder, 'haproxy.cfg');
  writeFileSync(config, `
global
  nbthread 1
${peer ? `  localpeer ${peer.name}\n` : ''}
defaults
  mode http
  timeout connect 2s
  timeout client 130s
  timeout server 130s
  timeout tunnel 1h
  http-reuse always
${peer?.table ?? ''}
listen proxy
  bind 127.0.0.1:${port} backlog 4096
  balance random
  http-request set-var(txn.sid) url_param(sid)
  tcp-response inspect-delay 2s
  tcp-response content accept if !{ var(txn.sid) -m found } WAIT_END
  stick-table type string len 64 size 1m expire 60s ${peer ? 'peers table' : ''}
  stick match var(txn.sid) if { var(txn.sid) -m found }
  stick store-response res.body,bytes(1),json_query('$.sid') if !{ var(txn.sid) -m found }
${hosts.map((host, i) => `  server host${i} 127.0.0.1:${host} check inter 2s\n`).join('')}`);
  return startProgram('haproxy', ['-q', '-db', '-f', config], port, folder);
}
