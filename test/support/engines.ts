import { Remote } from './remote';
import { hostSid } from './stores';
import { until } from './until';
import { startWays, type Seen } from './wire';

const PATH = '/engine.io/';
/** Between the packets of a payload. */
export const SEPARATOR = '\x1e';

export const OK: Seen = { status: 200, body: 'ok', type: 'text/html' };
/** The packets that a poll has got. */
export const payload = (...packets: string[]): Seen => (
  { status: 200, body: packets.join(SEPARATOR), type: 'text/plain; charset=UTF-8' }
);
/** Why a server refuses a request. */
export const refusal = (code: number, message: string): Seen => (
  { status: 400, body: JSON.stringify({ code, message }), type: 'application/json' }
);
export const SID_UNKNOWN = refusal(1, 'Session ID unknown');
export const BAD_REQUEST = refusal(3, 'Bad request');

/** Servers with the same options, the ways to them, and what they tell. */
export interface Servers {
  ways: Awaited<ReturnType<typeof startWays>>;
  /** Resolves with the reason once a server has closed the session. */
  closed: (sid: string) => Promise<string | undefined>;
  /** Resolves once a server has such a request of the session. */
  has: (method: string, sid: string) => Promise<unknown>;
  /** Sends a message to a session of whichever server has it. */
  send: (sid: string, data: string) => Promise<unknown>;
}

export async function startServers(count: number, options: object): Promise<Servers> {
  const hosts = Array.from({ length: count }, () => new Remote('engine-host.mjs'));
  const reasons = new Map<string, string>();
  const requests = new Set<string>();
  for (const host of hosts) {
    host.on('closed', ({ sid, reason }: { sid: string; reason: string }) => reasons.set(sid, reason));
    host.on('request', ({ sid, method }: { sid: string; method: string }) => requests.add(`${method} ${sid}`));
  }
  const ports = await Promise.all(hosts.map((host) => host.call<number>('start', { path: PATH, ...options })));
  return {
    ways: await startWays(ports, PATH),
    closed: async (sid) => {
      await until('the server has closed the session', () => reasons.has(hostSid(sid)));
      return reasons.get(hostSid(sid));
    },
    has: (method, sid) => until(`the server has a ${method}`, () => requests.has(`${method} ${hostSid(sid)}`)),
    send: async (sid, data) => {
      const own = hostSid(sid);
      for (const host of hosts) if ((await host.call<string[]>('sids')).includes(own)) await host.call('send', own, data);
    },
  };
}
