import { startHosts } from '../../support/hosts';
import { startProxy } from '../../support/proxy';
import { RawClient, type EncodedBody, type Manner } from '../../support/raw-client';
import { sharedStore } from '../../support/stores';
import { tested } from '../../support/tested';

const TEXT = 'héllo 🚀 "quoted" \\ \u2028'.repeat(200);

/** A call of the host's `echo`, and its answer. */
const CALL = `420["echo",${JSON.stringify(TEXT)}]`;
const ANSWER = `430[${JSON.stringify(TEXT)}]`;

/** A payload of packets, as a protocol has it in a body. */
interface Framing {
  name: string;
  query: string;
  type?: string;
  encode: (packet: string) => string;
  decode: (body: string) => string[];
  /** What a client sends to join the main namespace, in which a server of protocol 3 puts it by itself. */
  join: string[];
}

const PROTOCOL_4: Framing = {
  name: 'Engine.IO protocol 4',
  query: 'EIO=4',
  encode: (packet) => packet,
  decode: (body) => body.split('\x1e'),
  join: ['40'],
};

const PROTOCOL_3: Framing = {
  name: 'Engine.IO protocol 3',
  query: 'EIO=3',
  encode: (packet) => `${packet.length}:${packet}`,
  decode: splitByLength,
  join: [],
};

function splitByLength(body: string): string[] {
  if (body === '') return [];
  const start = body.indexOf(':') + 1;
  const end = start + Number(body.slice(0, start - 1));
  return [body.slice(start, end), ...splitByLength(body.slice(end))];
}

/** A script that calls a function with the payload, and a form that holds it. */
function inJsonp({ name, query, encode, decode, join }: Framing): Framing {
  return {
    name: `${name} in JSONP`,
    query: `${query}&j=7`,
    type: 'application/x-www-form-urlencoded',
    encode: (packet) => `d=${encodeURIComponent(encode(packet).replaceAll('\n', '\\n'))}`,
    decode: (body) => decode(JSON.parse(/^___eio\[7\]\((.*)\);$/s.exec(body)?.[1] ?? '""') as string),
    join,
  };
}

const MANNERS: [name: string, manner: Manner, poll?: RegExp][] = [
  ['by HTTP/1.1', {}],
  ['by HTTP/1.0', { version: '1.0' }],
  ['with headers in lower case', { spelling: (name) => name.toLowerCase() }],
  ['with headers in upper case', { spelling: (name) => name.toUpperCase() }],
  ['with bodies in chunks of a byte', { encode: inChunks }],
  ['with bodies that are expected', { encode: afterContinue }],
  ['with compressed answers', { headers: ['Accept-Encoding: gzip'] }, /^content-encoding: gzip$/im],
  ['with cookies of other servers', { headers: ['Cookie: io=other; HOST=elsewhere'] }],
];

function inChunks(body: Buffer): EncodedBody {
  const chunks = Array.from(body, (byte) => Buffer.from([...Buffer.from('1\r\n'), byte, ...Buffer.from('\r\n')]));
  return { headers: ['Transfer-Encoding: chunked'], bytes: Buffer.concat([...chunks, Buffer.from('0\r\n\r\n')]) };
}

function afterContinue(bytes: Buffer): EncodedBody {
  return { headers: [`Content-Length: ${bytes.length}`, 'Expect: 100-continue'], bytes };
}

let ports: [number, number];

beforeAll(async () => {
  const hosts = await startHosts(3);
  const options = { ...await sharedStore(), hosts: hosts.map(({ name }) => name) };
  ports = [(await startProxy(options)).port, (await startProxy(options)).port];
});

describe.each([PROTOCOL_4, PROTOCOL_3, inJsonp(PROTOCOL_4), inJsonp(PROTOCOL_3)])('$name by hand', (framing) => {
  const { name, query, type, encode, decode, join } = framing;

  it.each(MANNERS)('opens, polls, posts and closes a session through any proxy: %s', async (_, manner, head = /^HTTP/) => {
    const [first, second] = ports.map((port) => new RawClient(port, manner)) as [RawClient, RawClient];
    const path = `/socket.io/?${query}&transport=polling`;

    const [open = ''] = decode((await first.get(path)).body);
    const session = `${path}&sid=${(JSON.parse(open.slice(1)) as { sid: string }).sid}`;
    for (const packet of [...join, CALL]) {
      expect(await second.post(session, encode(packet), type)).toMatchObject({ status: 200, body: 'ok' });
    }
    // The packet that tells that the namespace was joined may come alone.
    let poll = await first.get(session);
    while (poll.status === 200 && !decode(poll.body).includes(ANSWER)) poll = await first.get(session);
    expect(poll).toMatchObject({ status: 200, head: expect.stringMatching(head) as string });
    expect(await second.post(session, encode('1'), type)).toMatchObject({ status: 200, body: 'ok' });
    expect(await first.get(session)).toMatchObject({ status: 400, body: '{"code":1,"message":"Session ID unknown"}' });
    tested('Client', 'HTTP by hand', name);
  });
});
