/** How a balancer's test may change what docs/in-front.md has. */
export interface BalancerOptions {
  /** How long it keeps an idle connection to a proxy, rather than its default: in ms. */
  idleTimeout?: number;
}

/** What stands in front of two proxies, as docs/in-front.md configures it. */
export interface Balancer {
  readonly name: string;
  readonly version: string;
  /** Where clients reach it. */
  readonly url: string;
  readonly port: number;
  /** Sends no more requests to one of the proxies, and resolves when it knows. */
  drain(proxy: number): Promise<void>;
  /** Sends requests to all of them again. */
  restore(): Promise<void>;
}

/** Starts one in front of the proxies that listen on the ports. */
export type StartBalancer = (ports: readonly number[], options?: BalancerOptions) => Promise<Balancer>;
