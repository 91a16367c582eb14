import { once } from 'node:events';
import type { Clients, ClientOptions, Connected } from './clients';
import type { HostProcess } from './hosts';
import { pollUrl, request } from './http';
import { startProxy } from './proxy';
import { boundSid, onSids, ownStore } from './stores';
import { until } from './until';

/** The answer to who has a sid that is known no more. */
export const UNKNOWN = { status: 400, body: '{"code":1,"message":"Session ID unknown"}' };

/** Reasons that connection state recovery takes. */
const RECOVERABLE = /^(?:transport close|transport error|forced close)$/;

/** A client that comes back by itself, and soon. */
export function connect(clients: Clients, url: string, options: Partial<ClientOptions>): Promise<Connected> {
  return clients.connect({ url, reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 50, ...options });
}

/** Resolves once a client has come back, with a sid other than the one that it had. */
export async function returned(clients: Clients, { key, sid }: Connected): Promise<string> {
  await clients.answered(key);
  const state = await clients.state(key);
  expect(state.sid).not.toBe(sid);
  return state.sid;
}

/** Has the session of a client of a host ended by a proxy, which the host sees, and the client come back. */
export async function expectEndedAndBack(clients: Clients, host: HostProcess, options: Partial<ClientOptions>): Promise<void> {
  const store = ownStore();
  const { proxy, url } = await startProxy({ store, hosts: [host.name] });
  const client = await connect(clients, url, options);
  const ended = boundSid(client.sid, host.name);
  const seen = once(host, 'disconnect');
  expect(await proxy.endSession(client.sid)).toBe('ended');
  // Of itself, it would see that a ping was not answered.
  expect((await seen)[0]).toMatch(RECOVERABLE);
  expect(await proxy.findSession(ended)).toBe('ended');
  expect(await request(pollUrl(url, client.sid))).toMatchObject(UNKNOWN);
  if (!onSids) expect(await store.find(client.sid, 1)).toBeUndefined();
  expect((await proxy.parts.operations.totals()).hosts[host.name]?.moved).toBe(1);
  expect(await proxy.endSession(ended)).toBe('ended');

  const sid = await returned(clients, client);
  expect((await proxy.parts.operations.totals()).hosts[host.name]?.moved).toBe(1);
  await until('the new session counts alone', () => proxy.hosts[0]?.sessions === 1);
  await clients.close(client.key);
  await until('its host has no session left', async () => await host.call<number>('clientsCount') === 0);
  // One by polling has ended without a word to the proxy.
  await proxy.endSession(boundSid(sid, host.name));
  await until('none counts', () => proxy.hosts.every(({ sessions, requests, tunnels }) => sessions + requests + tunnels === 0));
}
