import type { Registry } from 'prom-client';

let registry: Promise<Registry> | undefined;

/** What Prometheus's clients tell of this process by default: its memory, CPU, event loop and more. */
export async function ownProcessMetrics(): Promise<object[]> {
  registry ??= collect();
  return (await registry).getMetricsAsJSON();
}

/** Loads its library only now: most proxies are not asked for metrics. */
async function collect(): Promise<Registry> {
  const { collectDefaultMetrics, Registry } = await import('prom-client');
  const register = new Registry();
  collectDefaultMetrics({ register });
  return register;
}
