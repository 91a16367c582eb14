import type { ServerResponse } from 'node:http';
import type { Change, Operator } from '../operator';
import type { Totals } from '../totals';
import { Problem } from './problem';
import { changeView, hostsView } from './views';

/** How many changes are kept for those who come later. */
const MAX_CHANGES = 100;
const MAX_STREAMS = 20;
/** How much may wait for a slow reader, in bytes. */
const MAX_WAITING = 1024 * 1024;
const INTERVAL = 1000;

/** The stream of server-sent events: what happens, and each second how the hosts are. */
export class Events {
  readonly #operator: Operator;
  readonly #ignore: () => void;
  readonly #streams = new Set<ServerResponse>();
  readonly #changes: { id: string; text: string }[] = [];
  /** Of another process's events the ids differ. */
  readonly #epoch = Date.now().toString(36);
  #count = 0;
  #totals: Totals | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(operator: Operator) {
    this.#operator = operator;
    this.#ignore = operator.onChange((change) => this.#add(change));
  }

  /** Sends what has happened lately, but for what was seen up to `lastId`, and from then on what happens. */
  async open(res: ServerResponse, lastId: string | undefined): Promise<void> {
    if (this.#streams.size >= MAX_STREAMS) {
      throw new Problem(503, 'TOO_MANY_STREAMS', `${MAX_STREAMS} streams of events are open`);
    }
    this.#streams.add(res);
    res.once('close', () => this.#leave(res));
    res.writeHead(200, { 'Content-Type': 'text/event-stream' });
    const seen = this.#changes.findIndex(({ id }) => id === lastId);
    for (const { text } of this.#changes.slice(seen + 1)) res.write(text);
    this.#timer ??= setInterval(() => void this.#tell(), INTERVAL);
    const { view } = await hostsView(this.#operator, this.#totals);
    this.#send(res, eventOf('hosts', view));
  }

  close(): void {
    this.#ignore();
    for (const res of this.#streams) res.end();
    clearInterval(this.#timer);
  }

  #leave(res: ServerResponse): void {
    this.#streams.delete(res);
    if (this.#streams.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#totals = undefined;
  }

  #add(change: Change): void {
    this.#count += 1;
    const id = `${this.#epoch}-${this.#count}`;
    const text = eventOf('change', changeView(change), id);
    this.#changes.push({ id, text });
    if (this.#changes.length > MAX_CHANGES) this.#changes.shift();
    for (const res of this.#streams) this.#send(res, text);
  }

  async #tell(): Promise<void> {
    const { view, totals } = await hostsView(this.#operator, this.#totals);
    // Those that were summed go on counting: what they were is to be kept.
    this.#totals = structuredClone(totals);
    const text = eventOf('hosts', view);
    for (const res of this.#streams) this.#send(res, text);
  }

  #send(res: ServerResponse, text: string): void {
    if (res.writableLength > MAX_WAITING) res.destroy();
    else if (!res.writableEnded) res.write(text);
  }
}

function eventOf(type: string, data: object, id?: string): string {
  return `event: ${type}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
}
