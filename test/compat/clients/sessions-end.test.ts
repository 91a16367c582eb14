import { Clients, TRANSPORTS } from '../../support/clients';
import { startHost, type HostProcess } from '../../support/hosts';
import { expectEndedAndBack } from '../../support/returning';

let clients: Clients;

beforeAll(() => {
  clients = new Clients();
});

describe.each([[2, 2], [2, 4], [3, 3]] as const)('a client of version %i on a host of version %i', (version, server) => {
  let host: HostProcess;

  beforeAll(async () => {
    host = await startHost({ version: server });
  });

  it.each(TRANSPORTS)('comes back when its session is ended, which its host sees: %s', (_, options) =>
    expectEndedAndBack(clients, host, { version, ...options }));
});
