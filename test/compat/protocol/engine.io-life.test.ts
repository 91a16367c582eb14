// What the document of Engine.IO's protocol 4 asks of heartbeats, closes and upgrades, the same at the server and at the
// proxies.
import { BAD_REQUEST, OK, SID_UNKNOWN, payload, startServers, type Servers } from '../../support/engines';
import { WAYS, type Way } from '../../support/wire';

let calm: Servers;
let patient: Servers;
let hasty: Servers;

beforeAll(async () => {
  [calm, patient, hasty] = await Promise.all([
    startServers(2, {}),
    startServers(1, { pingInterval: 50, pingTimeout: 60_000 }),
    startServers(1, { pingInterval: 25, pingTimeout: 25 }),
  ]);
});

describe.each(WAYS)('%s', (name) => {
  let way: Way;
  beforeEach(() => {
    way = calm.ways[name];
  });

  describe('heartbeats', () => {
    it('come and are answered by polling', async () => {
      way = patient.ways[name];
      const { sid } = await way.open();
      for (let i = 0; i < 3; i += 1) {
        expect(await way.poll(sid)).toEqual(payload('2'));
        expect(await way.post(sid, '3')).toEqual(OK);
      }
    });

    it('come and are answered by WebSocket', async () => {
      const wire = await patient.ways[name].openSocket();
      for (let i = 0; i < 3; i += 1) {
        expect(await wire.next()).toBe('2');
        wire.send('3');
      }
    });

    it('end a session by polling that does not answer', async () => {
      way = hasty.ways[name];
      const { sid } = await way.open();
      expect(await hasty.closed(sid)).toBe('ping timeout');
      expect(await way.poll(sid)).toEqual(SID_UNKNOWN);
      expect(await way.post(sid, '3')).toEqual(SID_UNKNOWN);
    });

    it('end a session by WebSocket that does not answer', async () => {
      const wire = await hasty.ways[name].openSocket();
      expect(await wire.rest()).toEqual(['2']);
      expect(await wire.end).toBe('closed with 1005');
    });

    it('close the session where the client sends one of the server', async () => {
      const wire = await way.openSocket();
      wire.send('2');
      expect(await wire.end).toBe('closed with 1005');
    });
  });

  describe('a close', () => {
    it('by polling ends the session and the poll that waits', async () => {
      const { sid } = await way.open();
      const poll = way.poll(sid);
      await calm.has('GET', sid);
      expect(await way.post(sid, '1')).toEqual(OK);
      expect(await poll).toEqual(payload('6'));
      expect(await calm.closed(sid)).toBe('transport close');
      expect(await way.poll(sid)).toEqual(SID_UNKNOWN);
    });

    it.each([[1000, 'closed with 1000'], [4321, 'closed with 4321']])('of the WebSocket, with %i, ends the session', async (code, end) => {
      const wire = way.socket('EIO=4&transport=websocket');
      const { sid } = JSON.parse(String(await wire.next()).slice(1)) as { sid: string };
      wire.close(code);
      expect(await wire.end).toBe(end);
      expect(await calm.closed(sid)).toBe('transport close');
      expect(await way.poll(sid)).toEqual(SID_UNKNOWN);
    });

    it('by a packet in a WebSocket ends the session, at the latest with its heartbeat', async () => {
      const wire = await hasty.ways[name].openSocket();
      wire.send('1');
      expect(await wire.end).toBe('closed with 1005');
    });

    it('by polling ends an upgrade that is under way', async () => {
      const { sid } = await way.open();
      const wire = way.upgrade(sid);
      expect(await (await wire.opened()).ask('2probe')).toBe('3probe');
      expect(await way.post(sid, '1')).toEqual(OK);
      expect(await wire.end).toBe('closed with 1005');
      expect(await way.poll(sid)).toEqual(SID_UNKNOWN);
    });

    it('of the WebSocket during an upgrade leaves the session to polling', async () => {
      const { sid } = await way.open();
      const wire = way.upgrade(sid);
      expect(await (await wire.opened()).ask('2probe')).toBe('3probe');
      wire.close();
      expect(await wire.end).toBe('closed with 1000');
      expect(await way.post(sid, '4hello')).toEqual(OK);
      // The probe has ended a poll that waited, if there was one.
      const { body } = await way.poll(sid);
      expect(['4hello', '6']).toContain(body);
      if (body === '6') expect(await way.poll(sid)).toEqual(payload('4hello'));
    });
  });

  describe('an upgrade', () => {
    async function upgraded(): Promise<{ sid: string; wire: ReturnType<Way['upgrade']> }> {
      const { sid } = await way.open();
      const wire = await way.upgrade(sid).opened();
      expect(await wire.ask('2probe')).toBe('3probe');
      wire.send('5');
      expect(await wire.ask('4first')).toBe('4first');
      return { sid, wire };
    }

    /** Its WebSocket is tried, by which a poll that waits has ended. */
    async function probed(): Promise<{ sid: string; wire: ReturnType<Way['upgrade']> }> {
      const { sid } = await way.open();
      const poll = way.poll(sid);
      await calm.has('GET', sid);
      const wire = await way.upgrade(sid).opened();
      expect(await wire.ask('2probe')).toBe('3probe');
      expect(await poll).toEqual(payload('6'));
      return { sid, wire };
    }

    it('ends the poll that waits, and goes on in the WebSocket', async () => {
      const { wire } = await probed();
      wire.send('5');
      expect(await wire.ask('4hello')).toBe('4hello');
      expect(await wire.ask(Buffer.of(1, 2))).toEqual(Buffer.of(1, 2));
    });

    it('brings what was sent since the last poll, in its order', async () => {
      const { sid, wire } = await probed();
      for (const data of ['one', 'two', 'three']) await calm.send(sid, data);
      wire.send('5');
      expect(await wire.several(3)).toEqual(['4one', '4two', '4three']);
      expect(await wire.ask('4four')).toBe('4four');
    });

    it('takes messages by polling until it is done', async () => {
      const { sid } = await way.open();
      const wire = await way.upgrade(sid).opened();
      expect(await wire.ask('2probe')).toBe('3probe');
      expect(await way.post(sid, '4by polling')).toEqual(OK);
      wire.send('5');
      expect(await wire.next()).toBe('4by polling');
    });

    it('leaves nothing to polling', async () => {
      const { sid, wire } = await upgraded();
      expect(await way.poll(sid)).toEqual(BAD_REQUEST);
      expect(await way.post(sid, '4hello')).toEqual(BAD_REQUEST);
      expect(await wire.ask('4hello')).toBe('4hello');
    });

    it('happens once: another WebSocket of the session is closed', async () => {
      const { sid, wire } = await upgraded();
      expect(await way.upgrade(sid).end).toBe('closed with 1005');
      expect(await wire.ask('4hello')).toBe('4hello');
    });

    it('has one WebSocket at a time', async () => {
      const { sid } = await way.open();
      const wire = await way.upgrade(sid).opened();
      expect(await wire.ask('2probe')).toBe('3probe');
      expect(await way.upgrade(sid).end).toBe('closed with 1005');
      wire.send('5');
      expect(await wire.ask('4hello')).toBe('4hello');
    });

    it('of a session that has ended is refused', async () => {
      const { sid } = await way.open();
      expect(await way.post(sid, '1')).toEqual(OK);
      expect(await way.upgrade(sid).end).toBe('refused with 400');
    });

    it('without a probe is closed, and the session goes on by polling', async () => {
      const { sid } = await way.open();
      const wire = await way.upgrade(sid).opened();
      wire.send('4hello');
      expect(await wire.end).toBe('closed with 1005');
      expect(await way.post(sid, '4hello')).toEqual(OK);
      expect(await way.poll(sid)).toEqual(payload('4hello'));
    });
  });
});
