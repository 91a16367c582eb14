import type { IncomingMessage } from 'node:http';
import { isObject } from '../checks';
import { Problem } from './problems';

/** The largest body, in bytes. */
const MAX_BODY = 16 * 1024;

/** Reads a JSON object with no other keys than these; `undefined` where there is no body. @throws Problem */
export async function readObject<K extends string>(
  req: IncomingMessage, keys: readonly K[],
): Promise<Partial<Record<K, unknown>> | undefined> {
  const bytes = await read(req);
  if (bytes.length === 0) return undefined;
  const type = req.headers['content-type'] ?? '';
  // A page of another origin cannot send this type unasked.
  if (!/^application\/json\s*(?:;|$)/i.test(type)) throw new Problem('INVALID', 'Content-Type must be application/json');
  const value = parse(bytes);
  if (!isObject(value) || Array.isArray(value)) throw new Problem('INVALID', 'the body must be a JSON object');
  for (const key of Object.keys(value)) {
    if (!keys.some((known) => known === key)) {
      throw new Problem('INVALID', `'${key}' is not expected; expected ${keys.join(', ')}`);
    }
  }
  return value;
}

/** Does not wait for the rest of what is too large. Rejects when the client goes away. */
function read(req: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length <= MAX_BODY) chunks.push(chunk);
      else refuse();
    };
    const refuse = (): void => {
      req.off('data', onData);
      reject(new Problem('BODY_TOO_LARGE', `the body must have at most ${MAX_BODY} bytes`));
    };
    if (Number(req.headers['content-length'] ?? 0) > MAX_BODY) return refuse();
    req.on('data', onData);
    req.once('end', () => resolve(Buffer.concat(chunks)));
    req.once('error', reject);
  });
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Problem('INVALID', 'the body is no JSON in UTF-8');
  }
}
