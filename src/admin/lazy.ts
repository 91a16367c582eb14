/* eslint-disable @typescript-eslint/no-require-imports --
   Most proxies need none of this, and loading it takes as long as all else. An `import()` would be a promise. */
import type { Operator } from '../operator';
import type { ResolvedAdminOptions } from './options';
import type * as processMetrics from './process-metrics';
import type * as server from './server';

export type AdminServer = server.AdminServer;

export function createAdminServer(operator: Operator, options: ResolvedAdminOptions): AdminServer {
  const { AdminServer } = require('./server') as typeof server;
  return new AdminServer(operator, options);
}

export function ownProcessMetrics(): Promise<object[]> {
  return (require('./process-metrics') as typeof processMetrics).ownProcessMetrics();
}
