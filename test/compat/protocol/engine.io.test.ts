// What the document of Engine.IO's protocol 4 asks of handshakes and messages, the same at the server and at the proxies.
import { request as startRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { onCleanup } from '../../support/cleanup';
import { BAD_REQUEST, OK, SEPARATOR, SID_UNKNOWN, payload, refusal, startServers, type Servers } from '../../support/engines';
import { WAYS, pollingOf, type Way } from '../../support/wire';

let calm: Servers;

beforeAll(async () => {
  calm = await startServers(2, { maxHttpBufferSize: 1e6 });
});

/** A POST whose end is still to be sent. */
function startPost(way: Way, sid: string, size: number): { post: ClientRequest; status: Promise<number | string> } {
  const post = startRequest(way.url(pollingOf(sid)), { method: 'POST', headers: { 'content-length': size }, agent: false });
  onCleanup(() => post.destroy());
  const status = new Promise<number | string>((resolve) => {
    post.once('response', (res: IncomingMessage) => resolve(res.resume().statusCode ?? 0));
    post.once('error', () => resolve('cut'));
  });
  post.write(`4${'x'.repeat(size - 2)}`);
  return { post, status };
}

describe.each(WAYS)('%s', (name) => {
  let way: Way;
  beforeEach(() => {
    way = calm.ways[name];
  });

  describe('the handshake by polling', () => {
    it('opens a session', async () => {
      const { status, type, body } = await way.ask('EIO=4&transport=polling');
      expect({ status, type }).toEqual({ status: 200, type: 'text/plain; charset=UTF-8' });
      expect(body[0]).toBe('0');
      expect(JSON.parse(body.slice(1))).toEqual({
        sid: expect.stringMatching(/./) as string, upgrades: ['websocket'], pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1e6,
      });
    });

    it('gives each session a sid of its own', async () => {
      const sids = [await way.open(), await way.open(), await way.open()].map(({ sid }) => sid);
      expect(new Set(sids).size).toBe(3);
    });

    it.each(['', 'EIO=abc&', 'EIO=3&', 'EIO=5&'])('refuses the version "%s"', async (version) => {
      expect(await way.ask(`${version}transport=polling`)).toEqual(refusal(5, 'Unsupported protocol version'));
    });

    it.each(['', '&transport=abc', '&transport='])('refuses the transport "%s"', async (transport) => {
      expect(await way.ask(`EIO=4${transport}`)).toEqual(refusal(0, 'Transport unknown'));
    });

    it('refuses the transport WebSocket without an upgrade', async () => {
      expect(await way.ask('EIO=4&transport=websocket')).toEqual(BAD_REQUEST);
    });

    it.each(['POST', 'PUT', 'PATCH', 'DELETE'])('refuses the method %s', async (method) => {
      expect(await way.ask('EIO=4&transport=polling', { method })).toEqual(refusal(2, 'Bad handshake method'));
    });

    it('refuses a sid that no server has given', async () => {
      expect(await way.poll('nobody')).toEqual(SID_UNKNOWN);
      expect(await way.post('nobody', '4hello')).toEqual(SID_UNKNOWN);
    });
  });

  describe('the handshake by WebSocket', () => {
    it('opens a session', async () => {
      const packet = String(await way.socket('EIO=4&transport=websocket').next());
      expect(packet[0]).toBe('0');
      expect(JSON.parse(packet.slice(1))).toEqual({
        sid: expect.stringMatching(/./) as string, upgrades: [], pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1e6,
      });
    });

    it.each([
      ['no version', 'transport=websocket', 'closed with 1006'],
      ['another version', 'EIO=abc&transport=websocket', 'closed with 1006'],
      ['no transport', 'EIO=4', 'refused with 400'],
      ['another transport', 'EIO=4&transport=abc', 'refused with 400'],
      ['a sid that no server has given', 'EIO=4&transport=websocket&sid=nobody', 'refused with 400'],
    ])('opens none with %s', async (_, query, end) => {
      const wire = way.socket(query);
      expect(await wire.end).toBe(end);
      expect(await wire.rest()).toEqual([]);
    });
  });

  describe('messages by polling', () => {
    it.each([
      ['a text', ['4hello']],
      ['several texts', ['4one', '4two', '4three']],
      ['text beyond ASCII', ['4é漢🚀', '4\u2028\0']],
      ['bytes', ['bAQIDBA==']],
      ['texts and bytes in turns', ['4one', 'bAQID', '4two', 'bBAUG']],
      ['an empty text', ['4']],
      ['300 texts', Array.from({ length: 300 }, (_, i) => `4text ${i}`)],
    ])('come and go: %s', async (_, packets) => {
      const { sid } = await way.open();
      expect(await way.post(sid, packets.join(SEPARATOR))).toEqual(OK);
      expect(await way.poll(sid)).toEqual(payload(...packets));
    });

    it('end a poll that waits', async () => {
      const { sid } = await way.open();
      const poll = way.poll(sid);
      await calm.has('GET', sid);
      expect(await way.post(sid, '4hello')).toEqual(OK);
      expect(await poll).toEqual(payload('4hello'));
    });

    it('keep their order from one request to the next', async () => {
      const { sid } = await way.open();
      for (let i = 0; i < 10; i += 1) {
        expect(await way.post(sid, `4${i}a${SEPARATOR}4${i}b`)).toEqual(OK);
        expect(await way.poll(sid)).toEqual(payload(`4${i}a`, `4${i}b`));
      }
    });

    it.each([['no packet', 'abc'], ['none at all', ''], ['a good packet before one that is none', `4a${SEPARATOR}z`]])(
      'close the session where the body holds %s', async (_, body) => {
        const { sid } = await way.open();
        expect(await way.post(sid, body)).toEqual(OK);
        expect(await calm.closed(sid)).toBe('parse error');
        expect(await way.poll(sid)).toEqual(SID_UNKNOWN);
      },
    );

    it('close the session where the body is of bytes', async () => {
      const { sid } = await way.open();
      const post = await way.post(sid, Buffer.from('4a'), { 'content-type': 'application/octet-stream' });
      expect(post).toEqual({ status: 400, body: '' });
      expect(await calm.closed(sid)).toBe('transport error');
      expect(await way.poll(sid)).toEqual(SID_UNKNOWN);
    });

    it('close the session at a second poll beside the first', async () => {
      const { sid } = await way.open();
      const first = way.poll(sid);
      await calm.has('GET', sid);
      expect(await way.poll(sid)).toEqual({ status: 400, body: '' });
      expect(await first).toEqual(payload('1'));
      expect(await calm.closed(sid)).toBe('transport error');
      expect(await way.poll(sid)).toEqual(SID_UNKNOWN);
    });

    // A body so large that a proxy has to send it on before it ends.
    it('close the session at a second POST beside the first', async () => {
      const { sid } = await way.open();
      const { post, status } = startPost(way, sid, 300_000);
      await calm.has('POST', sid);
      expect(await way.post(sid, '4second')).toEqual({ status: 400, body: '' });
      post.end('x');
      // The server cuts the first one off, which a proxy tells as an error of the host.
      expect(await status).toBe(name === 'directly' ? 'cut' : 502);
      expect(await calm.closed(sid)).toBe('transport error');
      expect(await way.poll(sid)).toEqual(SID_UNKNOWN);
    });

    it('refuse another method, and go on', async () => {
      const { sid } = await way.open();
      expect(await way.ask(pollingOf(sid), { method: 'PUT' })).toEqual({ status: 500, body: '' });
      expect(await way.post(sid, '4hello')).toEqual(OK);
      expect(await way.poll(sid)).toEqual(payload('4hello'));
    });
  });

  describe('messages by WebSocket', () => {
    it.each([
      ['a text', '4hello', '4hello'],
      ['an empty text', '4', '4'],
      ['text beyond ASCII', '4é漢🚀', '4é漢🚀'],
      ['bytes', Buffer.of(1, 2, 3, 4), Buffer.of(1, 2, 3, 4)],
      ['no bytes', Buffer.of(), Buffer.of()],
      ['bytes in base64', 'bAQIDBA==', Buffer.of(1, 2, 3, 4)],
    ])('come and go: %s', async (_, sent, received) => {
      const wire = await way.openSocket();
      expect(await wire.ask(sent)).toEqual(received);
    });

    it('keep their order, texts and bytes', async () => {
      const wire = await way.openSocket();
      const messages = Array.from({ length: 200 }, (_, i) => (i % 3 ? `4${i}` : Buffer.from(`${i}`)));
      wire.send(...messages);
      expect(await wire.several(200)).toEqual(messages);
    });

    it.each(['abc', '', '9'])('close the session where one is no packet: "%s"', async (message) => {
      const wire = await way.openSocket();
      wire.send(message);
      expect(await wire.end).toBe('closed with 1005');
    });
  });
});
