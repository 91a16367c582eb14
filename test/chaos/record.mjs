import { AFTERMATH } from './parts.mjs';

/** What the run has seen, and what is wrong with it. */
export class Record {
  faults = new Map();
  connections = 0;
  reconnections = 0;
  recoveries = 0;
  sent = 0;
  refusals = 0;
  /** Refused since the store failed, as is documented for sessions that a proxy has not seen. */
  storeRefusals = 0;
  /** Refused by a proxy that had Redis back sooner than the one that had opened the session, and stores it again. */
  earlyRefusals = 0;
  /** Refused where a proxy has ended since Redis lost all, which had not stored its bindings again: docs/operating.md says so. */
  orphanRefusals = 0;
  /** Refused by a proxy that did not list the session's host, or not yet. */
  unlistedRefusals = 0;
  misrouted = [];
  duplicates = 0;
  #connectedBefore = new Set();
  #seen = new Set();
  #acknowledged = new Set();
  #news = new Set();
  /** Broadcasts that a client whose state was recovered has not got, by client. */
  #gaps = new Map();
  #checks = [];
  /** What was done, and what came of it, with the times. */
  notes = [];
  #start = performance.now();

  /** @param detail what tells it from others of its kind. */
  fault(kind, detail = '') {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
    this.note(`${kind} ${detail}`);
  }

  note(text) {
    this.notes.push(`${((performance.now() - this.#start) / 1000).toFixed(2)} s ${text}`);
  }

  watchHost(remote) {
    remote.on('seen', (message) => {
      if (this.#seen.has(message)) this.duplicates += 1;
      this.#seen.add(message);
    });
  }

  watchClients(remote, hosts, redis, proxies) {
    remote.on('connect', ({ name, recovered }) => {
      if (this.#connectedBefore.has(name)) this.reconnections += 1;
      else this.connections += 1;
      this.#connectedBefore.add(name);
      if (recovered) this.recoveries += 1;
    });
    remote.on('sent', () => this.sent += 1);
    remote.on('acknowledged', (message) => this.#acknowledged.add(message));
    remote.on('news', (number) => this.#news.add(number));
    remote.on('recovered', ({ name, numbers }) => this.#recovered(name, numbers));
    remote.on('late', ({ name, number }) => this.#gaps.get(name).delete(number));
    remote.on('refused', (refusal) => this.#checks.push(this.#check(refusal, hosts, redis, proxies)));
  }

  hasNews(number) {
    return this.#news.has(number);
  }

  get acknowledged() {
    return this.#acknowledged.size;
  }

  /** Messages that a client was told had arrived, and that no host has seen. */
  get lost() {
    return [...this.#acknowledged].filter((message) => !this.#seen.has(message)).length;
  }

  /** Broadcasts that someone has seen, and that a client whose state was recovered has not. */
  get missed() {
    let missed = 0;
    for (const numbers of this.#gaps.values()) {
      for (const number of numbers) if (this.#news.has(number)) missed += 1;
    }
    return missed;
  }

  #recovered(name, numbers) {
    const missing = this.#gaps.get(name) ?? new Set();
    this.#gaps.set(name, missing);
    for (const number of numbers) missing.add(number);
    if (numbers.length > 0) this.note(`${name} has recovered without ${numbers.join()}`);
  }

  /** Waits for what is still being looked into. */
  async settle() {
    await Promise.all(this.#checks);
  }

  /** A refused session that is alive on a host that was well is misrouted. */
  async #check({ sid, age, status, body }, hosts, redis, proxies) {
    this.refusals += 1;
    const openedAt = performance.now() - age;
    for (const host of hosts) {
      if (!host.wasWell(AFTERMATH)) continue;
      const alive = await host.remote.call('has', sid).catch(() => false);
      if (!alive || !host.wasWell(AFTERMATH)) continue;
      const isOfRedis = !redis.wasWell(AFTERMATH);
      if (isOfRedis && body.includes('STORE_FAILED')) this.storeRefusals += 1;
      else if (isOfRedis && openedAt > redis.troubledSince - AFTERMATH) this.earlyRefusals += 1;
      else if (isOfRedis && proxies.some(({ endedAt }) => endedAt > redis.troubledSince)) this.orphanRefusals += 1;
      else if (!host.wasListed(AFTERMATH)) this.unlistedRefusals += 1;
      else this.#misroute(`${sid} on ${host.name}: ${status} ${body}`);
    }
  }

  #misroute(what) {
    this.misrouted.push(what);
    this.note(`misrouted: ${what}`);
  }
}
