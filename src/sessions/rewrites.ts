import { isExpired, NEVER, type Binding } from './binding';
import { pause } from '../base/pause';

/** How many bindings are written at once. */
const BATCH = 500;

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
  #running = false;

  constructor(options: RewritesOptions) {
    this.#options = options;
  }

  /** Called when the store may have lost anything. If it failed during a rewrite, all bindings are stored once more. */
  all(): void {
    this.#wanted = 'all';
    void this.#run();
  }

  /** Called when bindings that could not be stored can be stored now. */
  unstored(): void {
    this.#wanted ??= 'unstored';
    void this.#run();
  }

  close(): void {
    this.#closing.abort();
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    const { signal } = this.#closing;
    while (this.#wanted && !signal.aborted) {
      const all = [...this.#options.all()];
      const bindings = this.#wanted === 'all' ? all : all.filter(({ storedAt }) => storedAt === NEVER);
      this.#wanted = undefined;
      await this.#write(bindings);
      await pause(bindings.length * PAUSE_PER_BINDING, signal);
    }
    this.#running = false;
  }

  async #write(bindings: Binding[]): Promise<void> {
    const { renew, isUp } = this.#options;
    for (let i = 0; i < bindings.length && isUp() && !this.#closing.signal.aborted; i += BATCH) {
      const now = performance.now();
      const alive = bindings.slice(i, i + BATCH).filter((binding) => !isExpired(binding, now));
      await Promise.all(alive.map(renew));
    }
  }
}
