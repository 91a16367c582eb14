import { binaryOf } from '../../scripts/node-binary.mjs';
import { NODE_VERSIONS } from '../../scripts/node-versions.mjs';
import { inTurns, startLoad } from '../measure.mjs';
import { startPeer } from '../peers/index.mjs';

const CONNECTIONS = 50;

const US = 'socket.io-proxy2';

/** The same build on each major version of Node.js, which npm fetches. */
export async function nodes(context) {
  const hosts = await context.startHosts();
  const peers = new Map();
  for (const version of NODE_VERSIONS) {
    for (const name of [US, 'fastPath: false']) {
      const options = context.optionsOf(name, { hosts: hosts.ports, execPath: binaryOf(version) });
      const peer = await startPeer(name, options);
      peers.set(`${await peer.call('version')}${name === US ? '' : `, ${name}`}`, peer);
    }
  }
  const load = startLoad();
  const rows = [];
  for (const work of ['poll', 'handshake']) {
    const turns = { work, connections: CONNECTIONS, settle: context.settle, ...context.scale.turn };
    const measured = await inTurns(load, peers, turns);
    const figures = Object.fromEntries(measured);
    rows.push({ id: `nodes-${work}`, title: `${work}, by Node.js`, unit: 'request', hosts: hosts.kind, peers: figures });
  }
  for (const one of [load, hosts, ...peers.values()]) await one.end();
  return rows;
}
