import { networkOf } from '../../src/base/client-address';
import { stopClock } from '../support/clock';
import { open, openSeveral, statusesOf } from '../support/handshakes';
import { handshake, pollUrl, request } from '../support/http';
import { before, openWebSocket, startSessionHost, type SessionHost } from '../support/session-host';

let host: SessionHost;

beforeAll(async () => {
  host = await startSessionHost();
});

const from = (address: string): { headers: Record<string, string> } => ({ headers: { 'X-Forwarded-For': address } });

it.each([true, false])('refuses more handshakes of an address than a second has, with fastPath: %s', async (fastPath) => {
  const clock = stopClock();
  const { url } = await before([host], { maxHandshakesPerAddress: 3, fastPath });
  const sid = await handshake(url);
  const replies = await openSeveral(4, url);
  expect(statusesOf(replies).sort()).toEqual([200, 200, 429, 429]);
  const refused = replies.find(({ status }) => status === 429);
  expect([refused?.headers['retry-after'], refused?.json()])
    .toEqual(['1', { code: 'TOO_MANY_HANDSHAKES', message: 'Too many handshakes of this address' }]);
  await expect(openWebSocket(url)).rejects.toThrow('429');
  expect((await request(pollUrl(url, sid), { method: 'POST', body: '2' })).status).toBe(200);
  expect((await request(`${url}/socket.io/?EIO=4&transport=polling`, { method: 'OPTIONS' })).status).not.toBe(429);
  await clock.advance(340);
  expect(statusesOf(await openSeveral(2, url)).sort()).toEqual([200, 429]);
});

it('goes by the client that a trusted load balancer has seen, and not by what a client says', async () => {
  const options = { maxHandshakesPerAddress: 0.001 };
  const { url } = await before([host], { ...options, trustProxy: true });
  const statuses: number[] = [];
  for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.1', '2001:db8::1', '2001:db8::2', '2001:db9::1']) {
    statuses.push((await open(url, from(address))).status);
  }
  expect(statuses).toEqual([200, 200, 429, 200, 429, 200]);
  // As some load balancers write them.
  const spelled = [
    '192.0.2.1:100', '192.0.2.1:101', '::ffff:192.0.2.2', '"[2001:db8::9]:5"', '[2001:db8:0::7]', '192.0.2.9:1', '192.0.2.8',
  ];
  for (const address of spelled) {
    statuses.push((await open(url, from(address))).status);
  }
  expect(statuses.slice(6)).toEqual([429, 429, 429, 429, 429, 200, 200]);
  const distrustful = await before([host], options);
  const first = await open(distrustful.url, from('192.0.2.1'));
  const second = await open(distrustful.url, from('192.0.2.2'));
  expect(statusesOf([first, second])).toEqual([200, 429]);
});

it.each([
  ['192.0.2.1', '192.0.2.1'], ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'], ['2001:db8::5', '2001:db8:0:0'], ['::1', '0:0:0:0'],
  ['::', '0:0:0:0'], ['2001:0db8::4', '2001:db8:0:0'], ['::ffff:192.0.2.1', '192.0.2.1'], ['::ffff:c000:201', '192.0.2.1'],
  ['fe80::1%eth0', 'fe80:0:0:0'], ['unknown', 'unknown'], ['2001:DB8:1:2::', '2001:db8:1:2'], ['1::2:3:4:5:6', '1:0:0:2']
])('%s counts as %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});
