import { setServers } from 'node:dns';
import { lookUp, parseDnsName, type DnsAnswer } from '../../src/hosts/dns';
import { stopClock } from '../support/clock';
import { addresses, DnsServer, startDnsServer, type Entry, type Zone } from '../support/dns-server';

const NAME = 'chat.example.test';

const find = (name = NAME, port: number | undefined = 3000): Promise<DnsAnswer> => lookUp({ name, port }, new AbortController().signal);
const findServices = (): Promise<DnsAnswer> => lookUp({ name: NAME, port: undefined }, new AbortController().signal);

async function hostsOf(answer: Promise<DnsAnswer>): Promise<[string, number][]> {
  return [...(await answer).hosts].sort();
}

const service = (target: string, port: number, more: { priority?: number; weight?: number } = {}): Entry =>
  ({ type: 'SRV', data: { target, port, ...more } });

describe('parseDnsName', () => {
  it.each([
    ['dns:chat.default.svc.cluster.local:3000', 'chat.default.svc.cluster.local', 3000],
    ['dns:chat:65535', 'chat', 65_535],
    ['dns:chat.example.:1', 'chat.example.', 1],
    ['dns:4.chat_a-b:80', '4.chat_a-b', 80],
    ['dns+srv:_ws._tcp.chat.example', '_ws._tcp.chat.example', undefined],
  ])('reads %s', (text, name, port) => {
    expect(parseDnsName(text)).toEqual({ name, port });
  });

  it.each([
    '', 'dns:', 'dns::1', 'dns:chat', 'dns:chat:', 'dns:chat:0', 'dns:chat:65536', 'dns:chat:1a', 'dns:chat:1:2', 'DNS:chat:1',
    'dns:.chat:1', 'dns:chat..a:1', 'dns:ch at:1', 'dns:ch/at:1', 'dns:chät:1', 'dns:10.0.0.1:3000', 'dns:[::1]:3000', 'dns:chat:1\n',
    'dns+srv:', 'dns+srv:chat:3000', 'srv:chat', 'chat:3000', ' dns:chat:1', `dns:${'a'.repeat(64)}:1`, `dns:${'a.'.repeat(128)}a:1`,
  ])('refuses %j', (text) => {
    expect(parseDnsName(text)).toBeUndefined();
  });
});

describe('dns:NAME:PORT', () => {
  it('finds a host at each address of a name, and for how long that holds', async () => {
    await startDnsServer({ [NAME]: [...addresses(['127.0.0.1'], 30), ...addresses(['127.0.0.2'], 7)] });
    expect(await find()).toEqual({ hosts: new Map([['127.0.0.1:3000', 1], ['127.0.0.2:3000', 1]]), ttl: 7 });
  });

  it('takes IPv6 addresses where there is no other, in the one spelling that all proxies share', async () => {
    const six: Entry[] = [{ type: 'AAAA', data: '2001:0db8:0:0:0:0:0:0001', ttl: 9 }];
    const server = await startDnsServer({ [NAME]: six, 'both.test': [...six, ...addresses(['127.0.0.1'])] });
    expect(await find()).toEqual({ hosts: new Map([['[2001:db8::1]:3000', 1]]), ttl: 9 });
    expect(await hostsOf(find('both.test'))).toEqual([['127.0.0.1:3000', 1]]);
    expect(server.queries.map(({ type }) => type)).toEqual(['A', 'AAAA', 'A']);
  });

  it('finds 300 addresses, whose answer comes over TCP', async () => {
    const all = Array.from({ length: 300 }, (_, i) => `127.0.${i >> 8}.${i & 255}`);
    const server = await startDnsServer({ [NAME]: addresses(all, 20) });
    const { hosts, ttl } = await find();
    expect([...hosts.keys()].sort()).toEqual(all.map((address) => `${address}:3000`).sort());
    expect(ttl).toBe(20);
    expect(server.queries.map(({ transport }) => transport)).toEqual(['udp', 'tcp']);
  });

  it('follows an alias, whose TTL counts too', async () => {
    await startDnsServer({
      [NAME]: [{ type: 'CNAME', data: 'alias.test', ttl: 3 }, { type: 'A', name: 'alias.test', data: '127.0.0.1', ttl: 30 }],
    });
    expect(await find()).toEqual({ hosts: new Map([['127.0.0.1:3000', 1]]), ttl: 3 });
  });

  it.each<[string, Zone[string], string]>([
    ['the name does not exist', 'NXDOMAIN', 'queryA ENOTFOUND'],
    ['the server fails', 'SERVFAIL', 'queryA ESERVFAIL'],
    ['the server refuses', 'REFUSED', 'queryA EREFUSED'],
    ['there is no address', [], 'queryAaaa ENODATA'],
  ])('fails where %s', async (_, found, message) => {
    await startDnsServer({ [NAME]: found });
    await expect(find()).rejects.toThrow(`${message} ${NAME}`);
  });

  it('asks the next server where one is silent or gone', async () => {
    const good = await startDnsServer({ [NAME]: addresses(['127.0.0.1']) });
    const silent = await startDnsServer({ [NAME]: 'silence' });
    for (const other of [silent.address, '127.0.0.1:1']) {
      setServers([other, good.address]);
      expect(await hostsOf(find())).toEqual([['127.0.0.1:3000', 1]]);
    }
  });

  it('fails in time where no server answers, however many there are', async () => {
    const clock = stopClock();
    const silent = await Promise.all(Array.from({ length: 4 }, () => new DnsServer({ [NAME]: 'silence' }).start()));
    await startDnsServer();
    setServers(silent.map(({ address }) => address));
    let isOver = false;
    const looking = find().finally(() => (isOver = true));
    const failed = expect(looking).rejects.toThrow(`no DNS server has told of ${NAME} within 5000 ms`);
    await silent[0]?.asked();
    await clock.advance(4999);
    expect(isOver).toBe(false);
    await clock.advance(1);
    await failed;
  });

  it('ends at once when it is called off', async () => {
    const server = await startDnsServer({ [NAME]: 'silence' });
    const stopping = new AbortController();
    const looking = lookUp({ name: NAME, port: 3000 }, stopping.signal);
    await server.asked();
    stopping.abort();
    // By itself it would end with ETIMEOUT, after three seconds.
    await expect(looking).rejects.toThrow('ECANCELLED');
  });
});

describe('dns+srv:NAME', () => {
  it('finds the hosts that records name, with their ports and weights, in lower case', async () => {
    await startDnsServer({ [NAME]: [service('Pod-0.Chat.test', 3000, { weight: 10 }), service('pod-1.chat.test', 3001, { weight: 20 })] });
    expect(await findServices()).toEqual({ hosts: new Map([['pod-0.chat.test:3000', 10], ['pod-1.chat.test:3001', 20]]), ttl: 5 });
  });

  it.each<[string, [number, number][], [string, number][]]>([
    ['only those of the lowest priority', [[2, 1], [1, 1], [1, 3]], [['pod-1:3000', 1], ['pod-2:3000', 3]]],
    ['all alike where none weighs anything', [[0, 0], [0, 0]], [['pod-0:3000', 1], ['pod-1:3000', 1]]],
    ['one of weight 0 among others with as little as can be', [[0, 0], [0, 50]], [['pod-0:3000', 1], ['pod-1:3000', 50]]],
    ['great weights in proportion', [[0, 65_535], [0, 32_768], [0, 1]], [['pod-0:3000', 1000], ['pod-1:3000', 500], ['pod-2:3000', 1]]],
  ])('takes %s', async (_, records, expected) => {
    await startDnsServer({ [NAME]: records.map(([priority, weight], i) => service(`pod-${i}`, 3000, { priority, weight })) });
    expect(await hostsOf(findServices())).toEqual(expected);
  });

  it('takes a host once that has two records, with the greater weight', async () => {
    const records = [service('pod-0', 3000, { weight: 1 }), service('POD-0', 3000, { weight: 4 }), service('pod-0', 3000)];
    await startDnsServer({ [NAME]: records });
    expect(await hostsOf(findServices())).toEqual([['pod-0:3000', 4]]);
  });

  it('leaves out what names no host', async () => {
    const unusable = [service('.', 3000), service('pod-0', 0), service('a/b', 3000), service('a b', 3000)];
    const server = await startDnsServer({ [NAME]: [...unusable, service('pod-1', 3000, { priority: 9 })] });
    expect(await hostsOf(findServices())).toEqual([['pod-1:3000', 1]]);
    server.zone = { [NAME]: unusable };
    await expect(findServices()).rejects.toThrow(`no SRV record of ${NAME} names a host`);
  });

  it('finds 300 hosts', async () => {
    await startDnsServer({ [NAME]: Array.from({ length: 300 }, (_, i) => service(`pod-${i}.${NAME}`, 3000)) });
    expect((await findServices()).hosts.size).toBe(300);
  });
});
