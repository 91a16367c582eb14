// What it costs to reuse no connection before a host has shown that it keeps them, and never one of those that do not:
// the share of polls that have a new connection, and the proxy's CPU a poll, at first and later on.
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { startLoad } from './measure.mjs';
import { endAll, start } from './processes.mjs';

const HOSTS = {
  'Node.js, keepAliveTimeout 5 s: says `timeout=5`': { after: 6000, says: 'timeout=5', obeys: true },
  'the same without that header': { after: 5000, obeys: true },
  'aiohttp: says nothing, keeps 75 s': { after: 75_000, obeys: true },
  'closes after 2 s, says nothing': { after: 2000, obeys: true },
  'closes after 40 ms, says nothing': { after: 40 },
  'closes with each answer, says keep-alive': { after: 'answer' },
};

/** How long is measured at first, and between that and later on, in ms. */
const FIRST = 2000;
const PAUSE = 4000;

const { values: flags } = parseArgs({ options: { against: { type: 'string' }, ms: { type: 'string', default: '3000' } } });
const mains = [fileURLToPath(new URL('../dist/index.js', import.meta.url)), ...(flags.against ? [flags.against] : [])];

try {
  for (const [name, way] of Object.entries(HOSTS)) {
    for (const main of mains) console.log(name, main, await measure(way, main).catch(({ message }) => message.slice(0, 80)));
  }
} finally {
  await endAll();
}

async function measure(way, main) {
  const host = start('../test/fixtures/closing-hosts.mjs');
  const port = await host.call('start', way);
  const proxy = start('./peers/ours.mjs');
  const load = startLoad();
  await load.call('open', { port: await proxy.call('start', { main, hosts: [port], findsOut: true }), connections: 50 });
  const first = await run(FIRST);
  await run(PAUSE);
  const later = await run(Number(flags.ms));
  for (const one of [load, proxy, host]) await one.end();
  return { first, later };

  async function run(ms) {
    const [before, used] = [await host.call('counts'), await proxy.call('usage')];
    const { count } = await load.call('run', { work: 'poll', ms });
    const [after, now] = [await host.call('counts'), await proxy.call('usage')];
    const share = (after.connections - before.connections) / (after.requests - before.requests);
    return `${(share * 100).toFixed(1)} % new, ${((now - used) / count).toFixed(0)} µs`;
  }
}
