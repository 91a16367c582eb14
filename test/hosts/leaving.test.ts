import { Host } from '../../src/hosts/host';
import { Hosts } from '../../src/hosts/hosts';
import { Leaving } from '../../src/hosts/leaving';
import { onCleanup } from '../support/cleanup';
import { until } from '../support/until';

it('lets a host leave only when it was told that it is drained, also where several are drained at once', async () => {
  const names = ['127.0.0.1:3000', '127.0.0.1:3001'];
  const options = { unhealthyAfter: 1, healthyAfter: 1, balance: 'random', slowStart: 0, maxSessions: undefined } as const;
  const hosts = new Hosts(names.map((name) => new Host(name)), options);
  const leaving = new Leaving(hosts, 0);
  onCleanup(() => leaving.stop());
  const told: string[] = [];
  for (const event of ['drained', 'removed'] as const) hosts.on(event, ({ name }) => told.push(`${name} ${event}`));
  const { all } = hosts;
  for (const host of all) {
    host.sessions = 1;
    leaving.drop(host.name);
  }
  for (const host of all) {
    host.sessions = 0;
    hosts.settle(host);
  }
  await until('both have left', () => hosts.all.length === 0);
  expect(told).toEqual(names.flatMap((name) => [`${name} drained`, `${name} removed`]));
});
