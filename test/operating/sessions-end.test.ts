import { once } from 'node:events';
import { Clients, TRANSPORTS } from '../support/clients';
import { startHost, type HostProcess } from '../support/hosts';
import { handshake, pollUrl, request } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { connect, expectEndedAndBack, returned, UNKNOWN } from '../support/returning';
import { openWebSocket } from '../support/session-host';
import { onSids, ownStore } from '../support/stores';
import { until } from '../support/until';

let clients: Clients;
let host: HostProcess;

beforeAll(async () => {
  clients = new Clients();
  host = await startHost();
});

it.each(TRANSPORTS)('a client comes back when its session is ended, which its host sees: %s', (_, options) =>
  expectEndedAndBack(clients, host, options));

describe('on a host of Socket.IO', () => {
  const clientsCount = (): Promise<number> => host.call('clientsCount');

  it('has the held poll answered, and loses nothing that its host has sent by then', async () => {
    const { proxy, url } = await startProxy({ hosts: [host.name] });
    const held = once(host, 'poll');
    const client = await connect(clients, url, { transports: ['polling'] });
    await held;
    for (let i = 0; i < 5; i += 1) {
      await until('a poll is held', () => proxy.hosts[0]?.polls === 1);
      await host.call('broadcast', 'said', i);
      await until('it is heard', async () => (await clients.state(client.key)).heard.length > i);
    }
    await until('a poll is held', () => host.call<number>('polls'));
    await host.call('broadcast', 'said', 'last');
    expect(await proxy.endSession(client.sid)).toBe('ended');
    await returned(clients, client);
    expect((await clients.state(client.key)).heard.at(-1)).toBe('last');
    await clients.close(client.key);
  });

  it('answers a held poll at once', async () => {
    const { proxy, url } = await startProxy({ hosts: [host.name] });
    const sid = await handshake(url);
    const [poll] = [request(pollUrl(url, sid)), await once(host, 'poll')];
    expect(await proxy.endSession(sid)).toBe('ended');
    expect(await poll).toMatchObject({ status: 200, body: '6' });
    expect(await clientsCount()).toBe(0);
  });

  it('ends a session whose WebSocket does not carry it yet', async () => {
    const { proxy, url } = await startProxy({ hosts: [host.name] });
    const sid = await handshake(url);
    const socket = await openWebSocket(url, sid);
    const closed = once(socket, 'close');
    expect(await proxy.endSession(sid)).toBe('ended');
    expect(await clientsCount()).toBe(0);
    await closed;
  });

  it.each([
    ['version 3', 'EIO=3&b64=1'], ['version 3 by JSONP', 'EIO=3&b64=1&j=0'], ['version 4 by JSONP', 'EIO=4&j=0'],
  ])('ends a session of the protocol in %s', async (_, query) => {
    const { proxy, url } = await startProxy({ hosts: [host.name] });
    const target = `${url}/socket.io/?transport=polling&${query}`;
    const { body } = await request(target);
    const sid = /"sid\\?":\\?"([\w.-]+)/.exec(body)?.[1] ?? '';
    // In version 3 the host has something to say at first.
    if (query.startsWith('EIO=3')) await Promise.all([request(`${target}&sid=${sid}`), once(host, 'poll')]);
    const [poll] = [request(`${target}&sid=${sid}`), await once(host, 'poll')];
    expect(await clientsCount()).toBe(1);
    expect(await proxy.endSession(sid)).toBe('ended');
    expect(await clientsCount()).toBe(0);
    expect(await poll).toMatchObject({ status: 200 });
  });

  it('rejects while its host is frozen, and the client is served when that goes on', async () => {
    const { proxy, url } = await startProxy({ hosts: [host.name], checkInterval: 60_000 });
    const client = await connect(clients, url, { transports: ['polling'] });
    host.freeze();
    const ended = await proxy.endSession(client.sid).catch((error: unknown) => error);
    const found = await proxy.findSession(client.sid);
    host.thaw();
    expect(ended).toEqual(new Error('the host did not answer in time'));
    expect(found).toMatchObject({ host: host.name });
    expect(await clients.answered(client.key)).toBe(host.name);
    await clients.close(client.key);
  });
});

describe('with two proxies that share a store', () => {
  const start = async (): Promise<[Started, Started]> => {
    const options = { store: ownStore(), hosts: [host.name] };
    return [await startProxy(options), await startProxy(options)];
  };

  it('can end a session by polling that the other one carries', async () => {
    const [one, other] = await start();
    const client = await connect(clients, one.url, { transports: ['polling'] });
    expect(await other.proxy.endSession(client.sid)).toBe('ended');
    expect(await other.proxy.findSession(client.sid)).toBe('ended');
    await returned(clients, client);
    expect(await request(pollUrl(one.url, client.sid))).toMatchObject(UNKNOWN);
    await clients.close(client.key);
  });

  it.each(TRANSPORTS.slice(1))('cannot end a session whose WebSocket the other one carries: %s', async (_, options) => {
    const [one, other] = await start();
    const client = await connect(clients, one.url, options);
    // In the tier `sid`, a session that a WebSocket has opened is known to its own proxy alone.
    const isKnown = !onSids || options.transports?.[0] === 'polling';
    expect(await other.proxy.endSession(client.sid)).toBe(isKnown ? 'elsewhere' : 'never_seen');
    expect(await clients.host(client.key)).toBe(host.name);
    expect(await clients.state(client.key)).toMatchObject({ connected: true, sid: client.sid });
    expect(await one.proxy.endSession(client.sid)).toBe('ended');
    await returned(clients, client);
    await clients.close(client.key);
  });
});
