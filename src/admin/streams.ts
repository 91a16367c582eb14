import type { ServerResponse } from 'node:http';
import createDebug from 'debug';
import type { Change, Operator } from '../operating/operator';
import { pause } from '../base/pause';
import type { Totals } from '../base/totals';
import { Problem } from './problems';
import { SECURITY_HEADERS } from './reply';
import { snapshotOf } from './snapshot';

const debug = createDebug('socket.io-proxy:admin');

/** How many past changes to keep for clients that reconnect. */
const KEPT = 100;

/** The most open streams. */
const MAX_STREAMS = 20;

/** Drops a reader that has more unread output, in bytes. */
const MAX_WAITING = 1024 * 1024;

/** How often to send the hosts, in ms: often enough that no proxy in between takes a stream for idle. */
const INTERVAL = 1000;

/** Server-sent events: changes as they happen, and the hosts every second. */
export class Streams {
  readonly #operator: Operator;
  readonly #open = new Set<ServerResponse>();
  readonly #changes: { readonly number: number; readonly event: string }[] = [];
  /** Identifies this process in event ids, since every process numbers its events from 1. */
  readonly #epoch = Date.now().toString(36);
  readonly #unsubscribe: () => void;
  #count = 0;
  /** Stops the rounds, which run while a stream is open. */
  #rounds: AbortController | undefined;
  /** The totals that were last sent; `undefined` while no stream is open. */
  #previous: Totals | undefined;
  #closed = false;

  constructor(operator: Operator) {
    this.#operator = operator;
    this.#unsubscribe = operator.onChange((change) => this.#onChange(change));
  }

  /** Opens a stream that begins after event `lastId`. @throws Problem if too many are open, or after `close`. */
  async open(res: ServerResponse, lastId: string | undefined): Promise<void> {
    this.#admit();
    const { event, totals } = await this.#snapshot();
    // Others may have opened meanwhile.
    this.#admit();
    if (res.destroyed) return;
    res.writeHead(200, { ...SECURITY_HEADERS, 'Content-Type': 'text/event-stream' });
    const seen = this.#numberOf(lastId);
    const missed = this.#changes.filter(({ number }) => number > seen).map((change) => change.event);
    this.#open.add(res);
    res.on('close', () => {
      this.#open.delete(res);
      if (this.#open.size === 0) this.#stop();
    });
    res.write(missed.join('') + event);
    if (!this.#rounds) {
      this.#previous = totals;
      this.#rounds = new AbortController();
      void this.#run(this.#rounds.signal);
    }
  }

  /** Ends all streams for good. */
  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    this.#stop();
    for (const res of this.#open) res.end();
  }

  #admit(): void {
    if (this.#closed) throw new Problem('UNAVAILABLE', 'the admin server is closing', { 'Retry-After': '5' });
    if (this.#open.size < MAX_STREAMS) return;
    throw new Problem('TOO_MANY_STREAMS', `${MAX_STREAMS} streams are open`, { 'Retry-After': '5' });
  }

  #numberOf(id = ''): number {
    const [, epoch, number] = /^([a-z\d]+)-(\d+)$/.exec(id) ?? [];
    return epoch === this.#epoch ? Number(number) : 0;
  }

  #onChange({ time, type, host, member, message }: Change): void {
    this.#count += 1;
    const data = JSON.stringify({ time, type, host: host ?? null, member: member ?? null, message });
    const event = `id: ${this.#epoch}-${this.#count}\nevent: change\ndata: ${data}\n\n`;
    this.#changes.push({ number: this.#count, event });
    if (this.#changes.length > KEPT) this.#changes.shift();
    this.#tell(event);
  }

  /** Sleeping between rounds, rather than an interval, keeps slow rounds from overlapping. */
  async #run(signal: AbortSignal): Promise<void> {
    for (let took = 0; await pause(INTERVAL - took, signal);) {
      const start = performance.now();
      try {
        const { event, totals } = await this.#snapshot();
        if (signal.aborted) return;
        this.#previous = totals;
        this.#tell(event);
      } catch (error) {
        debug('sending the hosts has failed: %o', error);
      }
      took = performance.now() - start;
    }
  }

  #stop(): void {
    this.#rounds?.abort();
    this.#rounds = undefined;
    this.#previous = undefined;
  }

  async #snapshot(): Promise<{ event: string; totals: Totals }> {
    const totals = await this.#operator.totals();
    const snapshot = snapshotOf(this.#operator, totals, this.#previous);
    return { event: `event: hosts\ndata: ${JSON.stringify(snapshot)}\n\n`, totals };
  }

  #tell(event: string): void {
    for (const res of this.#open) {
      if (res.writableLength > MAX_WAITING) res.destroy();
      else res.write(event);
    }
  }
}
