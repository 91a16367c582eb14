// What the document of Socket.IO's protocol 5 asks of a server, with the same outcome at the server and at the proxies.
import { SEPARATOR } from '../../support/engines';
import { Remote } from '../../support/remote';
import { until } from '../../support/until';
import { WAYS, startWays, type Way } from '../../support/wire';

const CONNECTED = /^40\{"sid":"[^"]+"\}$/;
const CONNECTED_TO_CUSTOM = /^40\/custom,\{"sid":"[^"]+"\}$/;

let ways: Awaited<ReturnType<typeof startWays>>;
/** To a server that waits next to no time for a client to connect to a namespace. */
let hastyWays: typeof ways;
/** Why sockets have left, by the sid of the namespace. */
const reasons = new Map<string, string>();

beforeAll(async () => {
  const hosts = [new Remote('namespaces-host.mjs'), new Remote('namespaces-host.mjs')];
  for (const host of hosts) host.on('disconnect', ({ sid, reason }: { sid: string; reason: string }) => reasons.set(sid, reason));
  ways = await startWays(await Promise.all(hosts.map((host) => host.call<number>('start', {}))));
  hastyWays = await startWays([await new Remote('namespaces-host.mjs').call<number>('start', { connectTimeout: 50 })]);
});

/** Packets of Socket.IO by WebSocket or polling: a Buffer is an attachment. */
interface Session {
  say: (...packets: (string | Buffer)[]) => Promise<unknown>;
  /** So many packets that come next. */
  hear: (count?: number) => Promise<unknown[]>;
  /** Resolves once it is over, however it ends. */
  over: () => Promise<unknown>;
}

async function byWebSocket(way: Way): Promise<Session> {
  const wire = await way.openSocket();
  return {
    say: (...packets) => {
      wire.send(...packets.map((packet) => (typeof packet === 'string' ? `4${packet}` : packet)));
      return Promise.resolve();
    },
    hear: (count = 1) => wire.several(count),
    over: async () => {
      expect(await wire.end).toBe('closed with 1005');
      return wire.rest();
    },
  };
}

async function byPolling(way: Way): Promise<Session> {
  const { sid } = await way.open();
  const arrived: (string | Buffer)[] = [];
  return {
    say: async (...packets) => {
      const encoded = packets.map((packet) => (typeof packet === 'string' ? `4${packet}` : `b${packet.toString('base64')}`));
      expect(await way.post(sid, encoded.join(SEPARATOR))).toMatchObject({ status: 200, body: 'ok' });
    },
    hear: async (count = 1) => {
      while (arrived.length < count) {
        const { status, body } = await way.poll(sid);
        expect(status).toBe(200);
        arrived.push(...body.split(SEPARATOR).map((text) => (text.startsWith('b') ? Buffer.from(text.slice(1), 'base64') : text)));
      }
      return arrived.splice(0, count);
    },
    over: async () => {
      const seen: string[] = [];
      for (;;) {
        const { status, body } = await way.poll(sid);
        if (status !== 200) {
          expect({ status, body }).toEqual({ status: 400, body: '{"code":1,"message":"Session ID unknown"}' });
          return [...arrived, ...seen];
        }
        // What says to a poll that waits that the session ends.
        seen.push(...body.split(SEPARATOR).filter((packet) => packet !== '1' && packet !== '6'));
      }
    },
  };
}

const TRANSPORTS: [string, (way: Way) => Promise<Session>][] = [['WebSocket', byWebSocket], ['polling', byPolling]];

describe.each(WAYS)('%s', (name) => {
  describe.each(TRANSPORTS)('by %s', (_, open) => {
    let session: Session;
    beforeEach(async () => {
      session = await open(ways[name]);
    });

    /** Connects to the main namespace, and returns the sid there. */
    async function connect(): Promise<string> {
      await session.say('0');
      const [connected, auth] = await session.hear(2);
      expect(connected).toMatch(CONNECTED);
      expect(auth).toBe('42["auth",{}]');
      return (JSON.parse(String(connected).slice(2)) as { sid: string }).sid;
    }

    describe('a connection', () => {
      it.each([
        ['the main namespace', '0', CONNECTED, '42["auth",{}]'],
        ['the main namespace, with a payload', '0{"token":"123"}', CONNECTED, '42["auth",{"token":"123"}]'],
        ['another namespace', '0/custom,', CONNECTED_TO_CUSTOM, '42/custom,["auth",{}]'],
        ['another namespace, with a payload', '0/custom,{"token":"é,["}', CONNECTED_TO_CUSTOM, '42/custom,["auth",{"token":"é,["}]'],
      ])('leads to %s', async (__, sent, connected, auth) => {
        await session.say(sent);
        expect(await session.hear(2)).toEqual([expect.stringMatching(connected), auth]);
      });

      it('leads to several namespaces, each with a sid of its own', async () => {
        await session.say('0', '0/custom,');
        const packets = (await session.hear(4)).map(String);
        const sids = packets.filter((packet) => packet.startsWith('40')).map((packet) => packet.slice(packet.indexOf('{')));
        expect(new Set(sids).size).toBe(2);
      });

      it('to a namespace that there is not is refused, and another goes on', async () => {
        await session.say('0/random,');
        expect(await session.hear()).toEqual(['44/random,{"message":"Invalid namespace"}']);
        await connect();
      });

      it('that a middleware refuses is told why', async () => {
        await session.say('0/guarded,');
        expect(await session.hear()).toEqual(['44/guarded,{"message":"who are you?","data":{"code":7}}']);
      });

      it.each(['abc', '2["message"]', '9'])('that begins with "%s" is closed', async (packet) => {
        await session.say(packet);
        expect(await session.over()).toEqual([]);
      });

      it('that joins no namespace is closed', async () => {
        session = await open(hastyWays[name]);
        expect(await session.over()).toEqual([]);
      });
    });

    describe('a disconnection', () => {
      it('from the only namespace is told to the server', async () => {
        const sid = await connect();
        await session.say('1');
        await until('the server knows', () => reasons.get(sid) === 'client namespace disconnect');
      });

      it('from one namespace leaves the others', async () => {
        await connect();
        await session.say('0/custom,');
        await session.hear(2);
        await session.say('1/custom,', '2["message","to the main namespace"]');
        expect(await session.hear()).toEqual(['42["message-back","to the main namespace"]']);
      });

      it('by the server is told', async () => {
        const sid = await connect();
        await session.say('2["leave"]');
        expect(await session.hear()).toEqual(['41']);
        await until('the server tells why', () => reasons.get(sid) === 'server namespace disconnect');
      });

      it('by the server, of all, ends the session', async () => {
        await connect();
        await session.say('2["leave at all"]');
        await session.over();
      });
    });

    describe('an event', () => {
      beforeEach(async () => {
        await connect();
      });

      it.each([
        ['text', '2["message",1,"2",{"3":[true]}]', '42["message-back",1,"2",{"3":[true]}]'],
        ['no arguments', '2["message"]', '42["message-back"]'],
        ['text beyond ASCII', '2["message","é漢🚀\\u0000"]', '42["message-back","é漢🚀\\u0000"]'],
        ['100 kB', `2["message","${'x'.repeat(100_000)}"]`, `42["message-back","${'x'.repeat(100_000)}"]`],
      ])('comes back: %s', async (__, sent, received) => {
        await session.say(sent);
        expect(await session.hear()).toEqual([received]);
      });

      it('is acknowledged by the server', async () => {
        await session.say('2456["asked",1,"2",{"3":[false]}]');
        expect(await session.hear()).toEqual(['43456[1,"2",{"3":[false]}]']);
      });

      it('is acknowledged by the client', async () => {
        await session.say('2["ask me","how much?"]');
        // The server numbers its questions, of all its sockets.
        const [, id] = /^42(\d+)\["question","how much\?"\]$/.exec(String(await session.hear())) ?? [];
        await session.say(`3${id}[3,{"a":"lot"}]`);
        expect(await session.hear()).toEqual(['42["answered",3,{"a":"lot"}]']);
      });

      it('comes back with attachments', async () => {
        const placeholders = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';
        await session.say(`52-["message",${placeholders}]`, Buffer.of(1, 2, 3), Buffer.of(4, 5, 6));
        expect(await session.hear(3)).toEqual([
          `452-["message-back",${placeholders}]`, Buffer.of(1, 2, 3), Buffer.of(4, 5, 6),
        ]);
      });

      it('with attachments is acknowledged with them by the server', async () => {
        await session.say('51-789["asked",{"_placeholder":true,"num":0}]', Buffer.of(0, 255));
        expect(await session.hear(2)).toEqual(['461-789[{"_placeholder":true,"num":0}]', Buffer.of(0, 255)]);
      });

      it('with attachments is acknowledged with them by the client', async () => {
        await session.say('51-["ask me",{"_placeholder":true,"num":0}]', Buffer.of(1));
        const [question, attachment] = await session.hear(2);
        expect(attachment).toEqual(Buffer.of(1));
        const [, id] = /^451-(\d+)\["question",\{"_placeholder":true,"num":0\}\]$/.exec(String(question)) ?? [];
        await session.say(`61-${id}[{"_placeholder":true,"num":0}]`, Buffer.of(2));
        expect(await session.hear(2)).toEqual(['451-["answered",{"_placeholder":true,"num":0}]', Buffer.of(2)]);
      });

      it('keeps its order among many', async () => {
        const numbers = Array.from({ length: 100 }, (__, i) => i);
        await session.say(...numbers.map((i) => `2["message",${i}]`));
        expect(await session.hear(100)).toEqual(numbers.map((i) => `42["message-back",${i}]`));
      });

      it.each([
        ['of no type', 'abc'],
        ['whose payload is no array', '2{}'],
        ['without a name', '2[]'],
        ['with an id that is no number', '2abc["asked",1]'],
        ['with bytes that nothing announced', Buffer.of(1)],
        ['with text in place of an attachment', '51-["message",{"_placeholder":true,"num":0}]', '2["message"]'],
      ])('closes the session: a packet %s', async (__, ...packets) => {
        await session.say(...packets);
        expect(await session.over()).toEqual([]);
      });
    });
  });
});
