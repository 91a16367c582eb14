/* eslint-disable @typescript-eslint/no-require-imports --
   Most proxies have no admin server, and loading it would double their start time. `import()` is asynchronous. */
import type { AddressInfo } from 'node:net';
import type { Operator } from '../operating/operator';
import type { ResolvedAdminOptions } from './options';
import type * as server from './server';

export type AdminServer = server.AdminServer;

/** @param listening is called once the server listens. */
export function createAdminServer(
  operator: Operator, options: ResolvedAdminOptions, listening: (address: AddressInfo) => void,
): AdminServer {
  const { AdminServer } = require('./server') as typeof server;
  return new AdminServer(operator, options, listening);
}
