import type { Host } from './host';

/** How many addresses to name. */
const SHOWN = 3;

/** What is wrong with a host whose name has several addresses. */
export function manyAddresses(host: Host): string {
  const { named, used } = host.address;
  const shown = named.slice().sort().slice(0, SHOWN).join(', ') + (named.length > SHOWN ? ', …' : '');
  const isPlain = host.url.protocol === 'http:';
  const discover = isPlain ? `, or use 'dns:${host.hostname}:${host.port}' as 'discover' (--discover)` : '';
  return `${host.hostname} has ${named.length} addresses (${shown}). All connections go to ${used ?? 'one of them'}. ` +
    `If they are several servers, list each of them in 'hosts'${discover}.`;
}

/** What is wrong with a host whose name has got another address, although the old one still answers. */
export function movedName(host: Host): string {
  const { named, used } = host.address;
  return `${host.hostname} now stands for ${named[0]}. All connections still go to ${used}, which answers and has ` +
    'sessions. They move once it stops answering, or has no session left.';
}
