import type { ServerResponse } from 'node:http';
import createDebug from 'debug';
import type { Change, Operator } from '../operating/operator';
import { pause } from '../base/pause';
import type { Totals } from '../base/totals';
import { Problem } from './problems';
import { SECURITY_HEADERS } from './reply';
import { snapshotOf } from './snapshot';

const debug = createDebug('socket.io-proxy:admin');

/** How many changes are kept for those who come later. */
const KEPT = 100;

/** How many streams there may be. */
const MAX_STREAMS = 20;

/** How much may wait for a reader, in bytes, before it is dropped. */
const MAX_WAITING = 1024 * 1024;

/** How often the hosts are told, in ms: often enough that no connection is taken for an idle one. */
const INTERVAL = 1000;

/** What happens, as server-sent events: changes as they come, and the hosts each second. */
export class Streams {
  readonly #operator: Operator;
  readonly #open = new Set<ServerResponse>();
  readonly #changes: { readonly number: number; readonly event: string }[] = [];
  /** Numbers begin anew with each process, so what a reader has seen of another is not taken for ours. */
  readonly #epoch = Date.now().toString(36);
  readonly #unsubscribe: () => void;
  #count = 0;
  /** Stops the rounds that are under way while a stream is open. */
  #rounds: AbortController | undefined;
  /** Of the last time that the hosts were told, where a stream has been open since. */
  #previous: Totals | undefined;
  #closed = false;

  constructor(operator: Operator) {
    this.#operator = operator;
    this.#unsubscribe = operator.onChange((change) => this.#onChange(change));
  }

  /** Answers with a stream that begins after what was seen. @throws Problem when there are too many, or it is late. */
  async open(res: ServerResponse, lastId: string | undefined): Promise<void> {
    this.#admit();
    const { event, totals } = await this.#snapshot();
    // Others have come meanwhile.
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

  /** Ends all streams, and tells nothing any more. */
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

  #onChange({ time, type, host, message }: Change): void {
    this.#count += 1;
    const data = JSON.stringify({ time, type, host: host ?? null, message });
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
        debug('the hosts could not be told: %o', error);
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
