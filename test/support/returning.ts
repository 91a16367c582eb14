import type { Clients, ClientOptions, Connected } from './clients';

/** The ways in which a client can be connected when its session is ended. */
export const TRANSPORTS: [name: string, options: Partial<ClientOptions>][] = [
  ['polling', { transports: ['polling'] }],
  ['WebSocket', { transports: ['websocket'] }],
  ['an upgrade', { transports: ['polling', 'websocket'], upgraded: true }],
];

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
