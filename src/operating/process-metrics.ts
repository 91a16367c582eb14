import type { Registry } from 'prom-client';

let registry: Promise<Registry> | undefined;

/** The default metrics of a Prometheus client: memory, CPU, event loop and more of this process. */
export async function ownProcessMetrics(): Promise<object[]> {
  registry ??= collect();
  return (await registry).getMetricsAsJSON();
}

/** Loads `prom-client` on first use only: most proxies never need it. */
async function collect(): Promise<Registry> {
  const { collectDefaultMetrics, Registry } = await import('prom-client');
  const register = new Registry();
  collectDefaultMetrics({ register });
  return register;
}
