import { once } from 'node:events';
import http, { type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { onCleanup } from './cleanup';

export interface StreamEvent {
  id: string | undefined;
  type: string;
  data: unknown;
}

/** A stream of server-sent events. */
export class EventStream {
  readonly headers: http.IncomingHttpHeaders;
  readonly #res: IncomingMessage;
  readonly #events: StreamEvent[] = [];
  #text = '';
  #isOver = false;
  #wake: () => void = () => {};

  constructor(res: IncomingMessage) {
    this.#res = res;
    this.headers = res.headers;
    res.setEncoding('utf8').on('data', (text: string) => this.#push(text));
    res.on('error', () => {}).on('close', () => {
      this.#isOver = true;
      this.#wake();
    });
  }

  /** The next event of a type that was not taken yet, come or to come. */
  async next(type: string): Promise<StreamEvent> {
    for (;;) {
      const at = this.#events.findIndex((event) => event.type === type);
      const [event] = at < 0 ? [] : this.#events.splice(at, 1);
      if (event) return event;
      if (this.#isOver) throw new Error(`the stream has ended without an event ${type}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Those that have come and were not taken. */
  get waiting(): readonly StreamEvent[] {
    return this.#events;
  }

  /** Resolves when the server has ended it. */
  async ended(): Promise<void> {
    if (!this.#isOver) await new Promise((resolve) => this.#res.once('close', resolve));
  }

  pause(): void {
    this.#res.pause();
  }

  resume(): void {
    this.#res.resume();
  }

  end(): void {
    this.#res.destroy();
  }

  #push(text: string): void {
    const blocks = (this.#text + text).split('\n\n');
    this.#text = blocks.pop() ?? '';
    this.#events.push(...blocks.map(eventOf));
    this.#wake();
  }
}

/** Opens the stream of an admin server. */
export async function openStream(admin: string, headers: OutgoingHttpHeaders = {}): Promise<EventStream> {
  const req = http.get(`${admin}/api/events`, { agent: false, headers });
  onCleanup(() => req.destroy());
  const [res] = await once(req, 'response') as [IncomingMessage];
  if (res.statusCode !== 200) throw new Error(`the stream is refused: ${res.statusCode}`);
  return new EventStream(res);
}

function eventOf(block: string): StreamEvent {
  const fields = new Map(block.split('\n').map((line) => {
    const [, name = '', value = ''] = /^([a-z]+): (.*)$/.exec(line) ?? [];
    return [name, value];
  }));
  return { id: fields.get('id'), type: fields.get('event') ?? '', data: JSON.parse(fields.get('data') ?? 'null') as unknown };
}
