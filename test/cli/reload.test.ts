import { setServers, getServers } from 'node:dns';
import { onCleanup } from '../support/cleanup';
import { addresses, DnsServer } from '../support/dns-server';
import { handshake, pollUrl, request } from '../support/http';
import { sharedRedisUrl, uniqueKeyPrefix } from '../support/redis';
import { startReloadable } from '../support/reloadable';
import { openWebSocket, startSessionHosts, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

const KEPT = 'settings are read again';

const start = (count: number): Promise<[SessionHost, SessionHost, SessionHost]> => startSessionHosts(count) as never;

/** How many sessions each host gets of four new ones. */
async function shareOf(url: string, ...hosts: SessionHost[]): Promise<number[]> {
  const before = hosts.map(({ sids }) => sids.length);
  for (let i = 0; i < 4; i += 1) await handshake(url);
  return hosts.map(({ sids }, i) => sids.length - (before[i] ?? 0));
}

describe('SIGHUP', () => {
  it('adds hosts that are new, and drains those that have vanished until their last session has ended', async () => {
    const [old, kept, added] = await start(3);
    const { url, lines, line, write, reload } = await startReloadable({ hosts: [old.name], keyExpiry: 1 });
    const socket = await openWebSocket(url);
    write({ hosts: [kept.name, { host: added.name, weight: 0 }], keyExpiry: 1 });
    expect(reload().at(-1)).toBe(`${KEPT}: +${kept.name} +${added.name} -${old.name}`);
    await line(new RegExp(`^${added.name} is up$`));
    await line(new RegExp(`^${kept.name} is up$`));
    expect(await shareOf(url, old, kept, added)).toEqual([0, 4, 0]);
    expect(socket.readyState).toBe(socket.OPEN);
    socket.close();
    await line(new RegExp(`^${old.name} is removed$`));
    expect(lines).toContain(`${old.name} is drained`);
  });

  it('takes a host back that is leaving, with its sessions', async () => {
    const [host, other] = await start(2);
    const { url, lines, line, write, reload } = await startReloadable({ hosts: [host.name], balance: 'round-robin' });
    const socket = await openWebSocket(url);
    write({ hosts: [other.name], balance: 'round-robin' });
    expect(reload()).toContain(`${KEPT}: +${other.name} -${host.name}`);
    await line(new RegExp(`^${other.name} is up$`));
    write({ hosts: [host.name, other.name], balance: 'round-robin' });
    expect(reload()).toContain(`${KEPT}: +${host.name}`);
    expect(await shareOf(url, host, other)).toEqual([2, 2]);
    expect(socket.readyState).toBe(socket.OPEN);
    expect(lines.join()).not.toContain('is removed');
  });

  it('changes this member of a fleet alone, which disagrees until the others have the same settings', async () => {
    const [old, added] = await start(2);
    const settings = { redis: sharedRedisUrl(), keyPrefix: uniqueKeyPrefix(), hosts: [old.name] };
    const [one, other] = [await startReloadable(settings), await startReloadable(settings)];
    await until('they agree', () => [one, other].every(({ proxy: { fleet } }) => fleet.members.length === 2 && fleet.agree));
    one.write({ ...settings, hosts: [{ host: old.name, weight: 3 }, added.name] });
    one.reload();
    await other.line(/^warn: .* has other hosts/);
    expect(other.proxy.hosts).toMatchObject([{ host: old.name, weight: 1 }]);
    other.write({ ...settings, hosts: [added.name, { host: old.name, weight: 3 }] });
    other.reload();
    await until('they agree again', () => [one, other].every(({ proxy }) => proxy.fleet.agree));
  });

  it('leaves what the fleet has set as it is, where the settings have not changed', async () => {
    const [old, added, third] = await start(3);
    const settings = { redis: sharedRedisUrl(), keyPrefix: uniqueKeyPrefix(), hosts: [old.name, third.name] };
    const { proxy, reload, write } = await startReloadable(settings);
    proxy.addHost(added.name, { weight: 2 });
    proxy.setWeight(third.name, 5);
    proxy.removeHost(old.name);
    const before = proxy.hosts.map(({ host, weight }) => [host, weight]);
    expect(reload()).toEqual([KEPT]);
    expect(proxy.hosts.map(({ host, weight, draining }) => [host, weight, draining])).toEqual(before.map((each) => [...each, false]));
    write({ ...settings, hosts: [old.name] });
    expect(reload()).toContain(`${KEPT}: -${third.name}`);
    expect(proxy.hosts.find(({ host }) => host === third.name)?.draining).toBe(true);
  });

  it('takes back a host that has left when a session comes that another proxy has there', async () => {
    const [old, kept] = await start(2);
    const settings = { redis: sharedRedisUrl(), keyPrefix: uniqueKeyPrefix(), keyExpiry: 1, checkInterval: 50 };
    const other = await startReloadable({ ...settings, keyExpiry: 60, hosts: [old.name] });
    const { url, lines, line, write, reload } = await startReloadable({ ...settings, hosts: [old.name] });
    const sid = await handshake(other.url);
    write({ ...settings, hosts: [kept.name] });
    reload();
    await line(new RegExp(`^${old.name} is removed$`));
    const from = lines.length;
    expect((await request(pollUrl(url, sid), { method: 'POST', body: '40' })).body).toBe('ok');
    await line(new RegExp(`^${old.name} is up$`), from);
    expect(await shareOf(url, old, kept)).toEqual([0, 4]);
    await old.stop();
    await line(new RegExp(`^${old.name} is removed$`), from);
  });

  it('lets a host that is gone leave at once', async () => {
    const [dead, kept] = await start(2);
    const settings = { checkInterval: 50, hosts: [dead.name, kept.name], balance: 'round-robin' };
    const { url, line, write, reload } = await startReloadable(settings);
    // It has sessions that are lost with it.
    expect(await shareOf(url, dead, kept)).toEqual([2, 2]);
    await dead.stop();
    // A check of it may have been cut.
    await line(new RegExp(`^warn: ${dead.name} is down: (?:refused|failing)$`));
    write({ ...settings, hosts: [kept.name] });
    reload();
    await line(new RegExp(`^${dead.name} is removed$`));
  });

  it('keeps a host that is spelled otherwise, under the name that its sessions are bound to', async () => {
    const [{ name }, other] = await start(2);
    const { url, write, reload } = await startReloadable({ hosts: [name] });
    const sid = await handshake(url);
    write({ hosts: [`http://${name}`, other.name] });
    expect(reload()).toEqual(expect.arrayContaining([
      `warn: a restart is needed to rename ${name} to http://${name}`,
      `${KEPT}: +${other.name}`,
    ]));
    expect((await request(pollUrl(url, sid), { method: 'POST', body: '40' })).body).toBe('ok');
    write({ hosts: [other.name] });
    expect(reload()).toContain(`${KEPT}: -${name}`);
    write({ hosts: [`http://${name}`] });
    expect(reload()).toContain(`${KEPT}: +${name} -${other.name}`);
  });

  it('leaves all as it is when the settings are of no use any more, and says why', async () => {
    const [host] = await start(1);
    const { url, path, write, reload } = await startReloadable({ hosts: [host.name] });
    write({ hots: [] });
    expect(reload()).toEqual([`warn: settings stay as they were: unknown key 'hots' in ${path}; did you mean 'hosts'?`]);
    write('{"hosts": ');
    expect(reload().join()).toContain(`settings stay as they were: ${path} is not valid JSON`);
    await handshake(url);
  });

  it('keeps its hosts where DNS is to name them from now on, which only a restart applies', async () => {
    const [host, other] = await start(2);
    const { url, lines, write, reload } = await startReloadable({ hosts: [host.name] });
    write({ discover: 'dns:localhost:1' });
    expect(reload()).toEqual([KEPT, 'warn: a restart is needed to apply: --hosts, --discover']);
    expect(lines).not.toContain(`${host.name} is removed`);
    await handshake(url);
    // From those that it still has.
    write({ hosts: [other.name] });
    expect(reload()).toContain(`${KEPT}: +${other.name} -${host.name}`);
  });

  it('names in one line what only a restart applies, as long as it differs from what runs', async () => {
    const settings = { hosts: ['127.0.0.1:1'], path: '/a/' };
    const { write, reload } = await startReloadable(settings);
    write({ ...settings, path: '/b/', checkInterval: 5, quiet: true });
    const told = [KEPT, 'warn: a restart is needed to apply: --path, --check-interval, --quiet'];
    expect([reload(), reload()]).toEqual([told, told]);
    write(settings);
    expect(reload()).toEqual([KEPT]);
  });

  it('asks for no restart for lists that have not changed', async () => {
    const settings = { hosts: ['127.0.0.1:1'], adminPort: 0, adminHosts: ['a', 'b'], trustProxy: ['::1'] };
    const { write, reload } = await startReloadable(settings);
    expect(reload()).toEqual([KEPT]);
    write({ ...settings, adminHosts: ['b', 'a'], trustProxy: ['::2'] });
    expect(reload()).toEqual([KEPT, 'warn: a restart is needed to apply: --trust-proxy, --admin-hosts']);
  });
});

describe('SIGHUP after changes by hand', () => {
  it('adds a host again that is in the file, and was removed', async () => {
    const [one, other] = await start(2);
    const { url, proxy, line, lines, reload } = await startReloadable({ hosts: [one.name, other.name], balance: 'round-robin' });
    proxy.removeHost(other.name);
    await line(new RegExp(`^${other.name} is removed$`));
    const from = lines.length;
    expect(reload()).toContain(`${KEPT}: +${other.name}`);
    await line(new RegExp(`^${other.name} is up$`), from);
    expect(await shareOf(url, one, other)).toEqual([2, 2]);
    expect(reload()).toEqual([KEPT]);
  });

  it('lets a host leave that is not in the file, and was added', async () => {
    const { proxy, line, reload } = await startReloadable({ hosts: ['127.0.0.1:1'] });
    proxy.addHost('127.0.0.1:2');
    expect(reload()).toContain(`${KEPT}: -127.0.0.1:2`);
    await line(/^127\.0\.0\.1:2 is removed$/);
    expect(proxy.hosts.map(({ host }) => host)).toEqual(['127.0.0.1:1']);
  });

  it('gives a host the weight that the file says, and leaves it drained', async () => {
    const { proxy, reload } = await startReloadable({ hosts: ['127.0.0.1:1', { host: '127.0.0.1:2', weight: 3 }] });
    for (const { host } of proxy.hosts) proxy.setWeight(host, 9);
    proxy.drainHost('127.0.0.1:1');
    expect(reload()).toEqual([`${KEPT}: 127.0.0.1:1=1 (was 9) 127.0.0.1:2=3 (was 9)`]);
    expect(proxy.hosts).toMatchObject([{ weight: 1, draining: true }, { weight: 3, draining: false }]);
  });

  it('lets a host leave that has vanished, though it was taken back', async () => {
    const [kept, old] = await start(2);
    const { proxy, line, write, reload } = await startReloadable({ hosts: [kept.name, old.name] });
    await line(new RegExp(`^${old.name} is up$`));
    write({ hosts: [kept.name] });
    expect(reload()).toContain(`${KEPT}: -${old.name}`);
    // It is leaving already.
    expect(reload()).toEqual([KEPT]);
    proxy.undrainHost(old.name);
    expect(reload()).toContain(`${KEPT}: -${old.name}`);
  });

  it('leaves hosts to DNS that DNS has named, also where a file names others from now on', async () => {
    const server = await new DnsServer({ 'chat.example.test': addresses(['127.0.0.1', '127.0.0.2']) }).start();
    const servers = getServers();
    setServers([server.address]);
    onCleanup(() => setServers(servers));
    const { proxy, lines, write, reload } = await startReloadable({ discover: 'dns:chat.example.test:1' });
    await until('DNS has named some', () => proxy.hosts.length === 2);
    const before = proxy.hosts.map(({ host }) => host);
    expect(reload()).toEqual([KEPT]);
    write({ hosts: ['127.0.0.1:9'] });
    expect(reload()).toEqual([KEPT, 'warn: a restart is needed to apply: --hosts, --discover']);
    expect(proxy.hosts.map(({ host }) => host)).toEqual(before);
    expect(lines.join()).not.toContain('is removed');
  });
});
