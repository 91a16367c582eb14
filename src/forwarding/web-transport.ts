import { setLength } from './headers';

/** The start of a handshake's first packet, up to the list of upgrades, and that list. */
const UPGRADES = /^(0\{[^{}[\]]*"upgrades":\[)([^\]]*)\]/;

/** How a host offers WebTransport. */
const OFFER = '"webtransport"';

/**
 * A handshake's answer without the offer of WebTransport, which no proxy here carries: a client that finds it tries
 * that in vain, and its upgrade to WebSocket waits for 200 ms. Only in plain answers, as Engine.IO gives them.
 *
 * @param headers those of the answer, as a flat list: its `Content-Length` changes.
 */
export function withoutWebTransport(body: Buffer, headers: string[]): Buffer {
  if (!body.includes(OFFER)) return body;
  // One character a byte, so that nothing else changes.
  const text = body.toString('latin1');
  const [all = '', start = '', list = ''] = UPGRADES.exec(text) ?? [];
  if (!list.includes(OFFER)) return body;
  const rest = list.split(',').filter((name) => name.trim() !== OFFER);
  const shown = Buffer.from(`${start}${rest.join(',')}]${text.slice(all.length)}`, 'latin1');
  setLength(headers, shown.length);
  return shown;
}
