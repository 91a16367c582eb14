import { isExpired, NEVER, type Binding } from './binding';
import { within } from '../base/deadline';
import { pause } from '../base/pause';

/** How many bindings are written at once. */
const BATCH = 500;

/** How long it may go on when the proxy closes, in ms: `Proxy.close()` has promised to take a second. */
const FINISH_TIME = 400;

/** The pause after a rewrite, for each binding that it wrote, in ms: thousands are some work. */
const PAUSE_PER_BINDING = 1;

export interface RewritesOptions {
  /** All bindings known here, of which some may have expired. */
  readonly all: () => Iterable<Binding>;
  readonly renew: (binding: Binding) => Promise<void>;
  /** Whether the store can be asked. */
  readonly isUp: () => boolean;
}

/** Stores bindings again that the store may have lost or could not take. One rewrite at a time, with pauses between. */
export class Rewrites {
  readonly #options: RewritesOptions;
  readonly #closing = new AbortController();
  /** The bindings to store next: all, or those that are not in the store. */
  #wanted: 'all' | 'unstored' | undefined;
  #running: Promise<void> | undefined;
  #over = false;

  constructor(options: RewritesOptions) {
    this.#options = options;
  }

  /** Called when the store may have lost anything. If it failed during a rewrite, all bindings are stored once more. */
  all(): void {
    this.#begin('all');
  }

  /** Called when bindings that could not be stored can be stored now. */
  unstored(): void {
    this.#begin(this.#wanted ?? 'unstored');
  }

  /** Begins nothing more, and gives what was begun a moment: with this process ends who knows these bindings. */
  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#running) await within(FINISH_TIME, this.#running);
    this.#over = true;
  }

  #begin(wanted: 'all' | 'unstored'): void {
    if (this.#closing.signal.aborted) return;
    this.#wanted = wanted;
    this.#running ??= this.#run().finally(() => this.#running = undefined);
  }

  async #run(): Promise<void> {
    while (this.#wanted) {
      const all = [...this.#options.all()];
      const bindings = this.#wanted === 'all' ? all : all.filter(({ storedAt }) => storedAt === NEVER);
      this.#wanted = undefined;
      await this.#write(bindings);
      await pause(bindings.length * PAUSE_PER_BINDING, this.#closing.signal);
    }
  }

  async #write(bindings: Binding[]): Promise<void> {
    const { renew, isUp } = this.#options;
    for (let i = 0; i < bindings.length && isUp() && !this.#over; i += BATCH) {
      const now = performance.now();
      const alive = bindings.slice(i, i + BATCH).filter((binding) => !isExpired(binding, now));
      await Promise.all(alive.map(renew));
    }
  }
}
