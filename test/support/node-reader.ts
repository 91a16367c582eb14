import http, { type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';

/** One request, as somebody has read it. */
export interface ReadRequest {
  method: string;
  target: string;
  /** As in `1.1`. */
  version: string;
  /** A flat list of names and values. */
  fields: string[];
  /** Of an upgrade, what has come after the head. */
  body: Buffer;
  isWhole: boolean;
  isUpgrade: boolean;
}

/** Lets what is due in this turn of the event loop happen. */
export const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** The two ends of a connection that goes nowhere. */
class Wire extends Duplex {
  override _read(): void {
    // All is pushed at once.
  }

  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    done();
  }
}

/** What Node's own parser makes of the bytes of a connection, and whether it has given them up. */
export async function readByNode(bytes: Buffer, isLenient: boolean): Promise<{ requests: ReadRequest[]; isBroken: boolean }> {
  const read: { req: IncomingMessage; chunks: Buffer[]; isUpgrade: boolean }[] = [];
  let isBroken = false;
  const server = http.createServer({ insecureHTTPParser: isLenient });
  server.on('request', (req) => {
    const chunks: Buffer[] = [];
    read.push({ req, chunks, isUpgrade: false });
    req.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {});
  });
  server.on('upgrade', (req, _, head) => read.push({ req, chunks: [head], isUpgrade: true }));
  const wire = new Wire();
  wire.on('close', () => (isBroken = true)).on('error', () => {});
  server.emit('connection', wire);
  wire.push(bytes);
  do await turn(); while (wire.readableLength > 0 && !wire.destroyed);
  // A large body is handed on piece by piece.
  for (let i = 0; i < 3 || (i < 20 && read.some(({ req }) => !req.complete)); i += 1) await turn();
  const requests = read.map(({ req, chunks, isUpgrade }): ReadRequest => ({
    method: req.method ?? '', target: req.url ?? '', version: req.httpVersion, fields: req.rawHeaders, body: Buffer.concat(chunks),
    isWhole: req.complete || isUpgrade, isUpgrade,
  }));
  const result = { requests, isBroken };
  wire.removeAllListeners('close').destroy();
  return result;
}
