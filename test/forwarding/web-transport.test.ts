import { withoutWebTransport } from '../../src/forwarding/web-transport';
import { startHost } from '../support/hosts';
import { request, startServer } from '../support/http';
import { before } from '../support/session-host';

const HANDSHAKE = '/socket.io/?EIO=4&transport=polling';

const upgradesOf = (body: string): unknown => Reflect.get(JSON.parse(body.slice(1)) as object, 'upgrades');

it.each([
  ['["websocket","webtransport"]', '["websocket"]'], ['["webtransport","websocket"]', '["websocket"]'],
  ['["webtransport"]', '[]'], ['[ "websocket", "webtransport" ]', '[ "websocket"]'],
])('takes WebTransport out of %s', (upgrades, rest) => {
  const body = (list: string): string => `0{"sid":"é","upgrades":${list},"pingInterval":25000}\x1e40{"a":"webtransport"}`;
  const headers = ['X', 'y', 'Content-LENGTH', '1'];
  const shown = withoutWebTransport(Buffer.from(body(upgrades)), headers);
  expect(shown.toString()).toBe(body(rest));
  expect(headers).toEqual(['X', 'y', 'Content-LENGTH', String(shown.length)]);
});

it.each([
  '0{"sid":"a","upgrades":["websocket"]}', '0{"sid":"\\"webtransport\\"","upgrades":["websocket"]}\x1e4"webtransport"',
  '4["upgrades",["webtransport"]]', '0{"sid":"a","upgrades":[]}\x1e0{"upgrades":["webtransport"]}', '',
])('leaves %j as it is', (text) => {
  const body = Buffer.from(text);
  expect(withoutWebTransport(body, [])).toBe(body);
});

it('takes it out of the handshake of a host that offers it', async () => {
  const host = await startHost({ transports: ['polling', 'websocket', 'webtransport'] });
  expect(upgradesOf((await request(`http://${host.name}${HANDSHAKE}`)).body)).toEqual(['websocket', 'webtransport']);
  const { url } = await before([host]);
  const reply = await request(url + HANDSHAKE);
  expect(upgradesOf(reply.body)).toEqual(['websocket']);
  expect(reply.headers['content-length']).toBe(String(reply.bytes.length));
});

it('changes no other answer', async () => {
  const text = '4{"upgrades":["webtransport"]}';
  const { name } = await startServer((_, res) => res.end(text));
  const { url } = await before([{ name }]);
  expect((await request(url + HANDSHAKE)).body).toBe(text);
});
