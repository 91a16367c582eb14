import { Problem, send } from './api.js';
import { EventParser } from './sse.js';

/** Seconds before each further attempt. */
const DELAYS = [1, 2, 4, 8, 15, 30];

/** The server tells how the hosts are each second: a stream that is silent for so long, in ms, is dead. */
const SILENCE = 10_000;

/**
 * The events of the server, over one connection after another. `EventSource` would do, but for the token, which it
 * could only send in a URL.
 *
 * Calls `onEvent(type, data)`, and `onState` with `{ name }`: `connecting`, `live`, `locked` (it needs a token), or
 * `waiting`, with `seconds` and `reason`.
 */
export class Stream {
  #lastId = '';
  #attempts = 0;
  #isAsked = false;
  #wake = () => {};
  #onEvent;
  #onState;

  constructor(onEvent, onState) {
    this.#onEvent = onEvent;
    this.#onState = onState;
  }

  async run() {
    for (;;) {
      this.#isAsked = false;
      this.#onState({ name: 'connecting' });
      const problem = await this.#read().catch((error) => error);
      if (problem.status === 401) {
        this.#onState({ name: 'locked' });
        await this.#sleep();
      } else {
        await this.#wait(problem.message);
      }
    }
  }

  /** Ends the wait for the next attempt: that of now, or that which the attempt of now may lead to. */
  retry() {
    this.#isAsked = true;
    this.#wake();
  }

  async #wait(reason) {
    const seconds = DELAYS[Math.min(this.#attempts, DELAYS.length - 1)];
    this.#attempts += 1;
    for (let left = seconds; left > 0; left -= 1) {
      this.#onState({ name: 'waiting', seconds: left, reason });
      if (await this.#sleep(1000)) return;
    }
  }

  /** Resolves after so many ms, or with true as soon as it is woken. */
  #sleep(ms) {
    if (this.#isAsked) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(() => resolve(false), ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  /** Reads until the stream ends, and resolves with why. */
  async #read() {
    const controller = new AbortController();
    let timer;
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => controller.abort(), SILENCE);
    };
    watch();
    try {
      const headers = this.#lastId === '' ? {} : { 'Last-Event-ID': this.#lastId };
      const { body } = await send('/api/events', { headers, signal: controller.signal });
      const parser = new EventParser();
      const reader = body.pipeThrough(new TextDecoderStream()).getReader();
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        watch();
        this.#take(parser, next.value);
      }
      return new Error('the stream has ended');
    } catch (error) {
      if (controller.signal.aborted) return new Error(`nothing came for ${SILENCE / 1000} s`);
      return error instanceof Problem ? error : new Error('the stream has broken off');
    } finally {
      clearTimeout(timer);
    }
  }

  #take(parser, text) {
    const events = parser.push(text);
    if (parser.lastId !== '') this.#lastId = parser.lastId;
    if (events.length === 0) return;
    this.#attempts = 0;
    this.#onState({ name: 'live' });
    for (const { type, data } of events) this.#onEvent(type, JSON.parse(data));
  }
}
