// A load generator for HTTP: every connection sends its next request as soon as it has the response to the last.
import { serve } from '../serve.mjs';
import { browserRequest, Client, handshakeRequest, inBatches, pollRequest, postRequest } from './client.mjs';
import { closedLoop, paced } from './closed-loop.mjs';

/** What a client sends that has a session, by the name of the work. */
const REQUESTS = { poll: postRequest, fields: browserRequest, answered: pollRequest };

let clients = [];
let held = [];
/** Sids of sessions that were opened here, beyond the clients' own. */
const sids = [];

serve({
  /** Opens connections, with a session each. */
  async open({ port, connections }) {
    clients = Array.from({ length: connections }, () => new Client(port));
    await inBatches(clients, (client) => client.handshake());
  },
  /** Closes what `open` and `hold` have opened. */
  close() {
    for (const client of [...clients, ...held]) client.close();
    clients = [];
    held = [];
  },
  /** Opens that many sessions, and leaves a poll of each unanswered. */
  async hold({ port, sessions }) {
    const more = Array.from({ length: sessions }, () => new Client(port));
    held.push(...more);
    await inBatches(more, async (client) => {
      await client.handshake();
      client.send(pollRequest(client.sid), () => {}, () => {});
    });
  },
  /** The sids of the sessions that `open` has opened. */
  sids: () => clients.map(({ sid }) => sid),
  /** Opens sessions over the open connections until `sessions` are known. */
  async grow(sessions) {
    await Promise.all(clients.map(async (client) => {
      while (sids.length < sessions) {
        await client.handshake();
        sids.push(client.sid);
      }
    }));
    sids.length = sessions;
  },
  /** Polls for `ms`, so many a second. */
  pace({ ms, rate }) {
    const requests = new Map(clients.map((client) => [client, postRequest(client.sid)]));
    return paced(clients, ms, rate, (client, done, failed) => client.send(requests.get(client), done, failed));
  },
  /** Polls for `ms`, each on a connection of its own. */
  reconnect({ ms }) {
    const requests = new Map(clients.map((client) => [client, postRequest(client.sid)]));
    for (const client of clients) client.hangUp();
    return closedLoop(clients, ms, (client, done, failed) => client.send(requests.get(client), () => {
      client.hangUp();
      done();
    }, failed));
  },
  /** Requests for `ms`; `work` is one of `REQUESTS`, `handshake`, or `spread`: polls of all sessions that `grow` has opened. */
  run({ work, ms }) {
    if (work === 'handshake') return run(ms, () => handshakeRequest);
    if (work in REQUESTS) {
      const requests = new Map(clients.map((client) => [client, REQUESTS[work](client.sid)]));
      return run(ms, (client) => requests.get(client));
    }
    // A stride that is prime to their number visits all of them, far from each other.
    let next = 0;
    return run(ms, () => postRequest(sids[next = (next + 7919) % sids.length]));
  },
});

function run(ms, requestFor) {
  return closedLoop(clients, ms, (client, done, failed) => client.send(requestFor(client), done, failed));
}
