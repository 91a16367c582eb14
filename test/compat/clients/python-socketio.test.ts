import type { Connected } from '../../support/clients';
import { startHosts, type HostProcess } from '../../support/hosts';
import { startProxy, type Started } from '../../support/proxy';
import { PythonFixture } from '../../support/python';
import { sharedStore } from '../../support/stores';
import { tested } from '../../support/tested';

let hosts: HostProcess[];
let proxies: Started[];
let clients: PythonFixture;

beforeAll(async () => {
  clients = new PythonFixture('socketio_clients.py');
  hosts = await startHosts(3);
  const options = { ...await sharedStore(), hosts: hosts.map(({ name }) => name) };
  proxies = [await startProxy(options), await startProxy(options)];
});

describe.each([
  ['threaded', 'python-socketio, threads'],
  ['asynchronous', 'python-socketio, asyncio'],
])('a client that is %s', (kind, name) => {
  it.each([
    ['polling only', ['polling']],
    ['WebSocket only', ['websocket']],
    ['polling, then upgrade', ['polling', 'websocket']],
  ])('exchanges text and binary up to 1 MB: %s', async (_, transports) => {
    for (const { url } of proxies) {
      const { key, host, transport } = await clients.call<Connected>('connect', kind, url, transports);
      expect(transport).toBe(transports.at(-1));
      await clients.call('exchange', key);
      expect(await clients.call('host', key)).toBe(host);
      // The host need not hear of it: a threaded client may end its writing before its last packets have left.
      await clients.call('close', key);
    }
    tested('Client', name, await clients.versionOf('python-socketio'));
  });
});
