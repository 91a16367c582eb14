import { collectDefaultMetrics, Registry } from 'prom-client';

let registry: Registry | undefined;

/** What Prometheus's clients tell of this process by default: its memory, CPU, event loop and more. */
export function ownProcessMetrics(): Promise<object[]> {
  if (!registry) collectDefaultMetrics({ register: registry = new Registry() });
  return registry.getMetricsAsJSON();
}
