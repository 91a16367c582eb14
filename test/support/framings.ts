import { createRequire } from 'node:module';

/** A packet of Engine.IO. */
export interface Packet {
  type: string;
  data: string | Buffer;
}
type EncodeV3 = (packets: Packet[], supportsBinary: boolean, callback: (payload: string | Buffer) => void) => void;
type EncodeV4 = (packets: Packet[], callback: (payload: string) => void) => void;
export type Encode = (...packets: Packet[]) => Buffer;

/** The encoder of the Engine.IO that belongs to an installed version of Socket.IO. */
function encoderOf(server: string): unknown {
  const requireFrom = createRequire(require.resolve(server));
  return (requireFrom('engine.io-parser') as { encodePayload: unknown }).encodePayload;
}
const encodeV3 = encoderOf('socket.io-2') as EncodeV3;

/** The encoders call back before they return. */
function captured(run: (callback: (payload: string | Buffer) => void) => void): Buffer {
  let payload: string | Buffer | undefined;
  run((result) => {
    payload = result;
  });
  if (payload === undefined) throw new Error('not encoded');
  return Buffer.from(payload as string);
}

export const v3Text: Encode = (...packets) => captured((callback) => encodeV3(packets, false, callback));
/** Binary framing is used where any of the packets is binary. */
export const v3Binary: Encode = (...packets) =>
  captured((callback) => encodeV3([...packets, { type: 'message', data: Buffer.of(1, 2) }], true, callback));
export const v4 = (server: string): Encode => (...packets) =>
  captured((callback) => (encoderOf(server) as EncodeV4)(packets, callback));
/** What the servers' JSONP transport writes around a payload. */
export const jsonp = (encode: Encode): Encode => (...packets) => Buffer.from(`___eio[12](${
  JSON.stringify(encode(...packets).toString()).replace(/\u2028/g, '\\u2028').replace(/\u2029/g, '\\u2029')});`);

/** The framings of handshakes, as the servers' own encoders write them. */
export const FRAMINGS: [name: string, encode: Encode][] = [
  ['protocol 3, text', v3Text],
  ['protocol 3, binary', v3Binary],
  ['protocol 4 of Socket.IO 3', v4('socket.io-3')],
  ['protocol 4 of Socket.IO 4', v4('socket.io')],
  ['protocol 3, JSONP', jsonp(v3Text)],
  ['protocol 4, JSONP', jsonp(v4('socket.io'))],
];

export function openPacket(sid: unknown, rest: object = {}): Packet {
  const data = { sid, upgrades: ['websocket'], pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1e6, ...rest };
  return { type: 'open', data: JSON.stringify(data) };
}
