import { collectDefaultMetrics, Registry } from 'prom-client';

/** What is asked of Node is asked once, however many proxies there are: it goes on until the process ends. */
let registry: Registry | undefined;

/** How this process is: memory, processor, event loop, as `prom-client` writes it in JSON. */
export function processMetrics(): Promise<readonly object[]> {
  if (!registry) {
    registry = new Registry();
    collectDefaultMetrics({ register: registry });
  }
  return registry.getMetricsAsJSON();
}
