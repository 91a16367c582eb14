import { start } from '../processes.mjs';
import { spread } from '../measure.mjs';

const CALLS = 200_000;

/** How much of a poll is http-proxy's own, which is the frame around what carries the bytes. */
export async function frame(context) {
  const remote = start('./frame.mjs');
  await remote.call('measure', CALLS);
  const all = [];
  for (let round = 0; round < context.scale.rounds; round += 1) all.push(await remote.call('measure', CALLS));
  await remote.end();
  const title = "http-proxy's frame around a poll";
  return [{ id: 'frame', title, unit: 'call', peers: { 'http-proxy': { cpu: spread(all) } } }];
}
