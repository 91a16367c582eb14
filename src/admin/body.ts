import type { IncomingMessage } from 'node:http';
import { isObject } from '../base/checks';
import { Problem } from './problems';

/** The largest request body, in bytes. */
const MAX_BODY = 16 * 1024;

/** Reads a JSON object with only these keys. An empty body is an empty object. @throws Problem */
export async function readObject<K extends string>(
  req: IncomingMessage, keys: readonly K[],
): Promise<Partial<Record<K, unknown>>> {
  const bytes = await read(req);
  if (bytes.length === 0) return {};
  const value = parse(bytes);
  if (!isObject(value) || Array.isArray(value)) throw new Problem('INVALID', 'the body must be a JSON object');
  for (const key of Object.keys(value)) {
    if (!keys.some((known) => known === key)) {
      throw new Problem('INVALID', `unknown key '${key}'; expected ${keys.join(', ')}`);
    }
  }
  return value;
}

/** Rejects as soon as the body is too large, and when the client goes away. */
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
    if (Number(req.headers['content-length'] ?? 0) > MAX_BODY) {
      refuse();
      return;
    }
    req.on('data', onData);
    req.once('end', () => resolve(Buffer.concat(chunks)));
    req.once('error', reject);
  });
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Problem('INVALID', 'the body must be JSON in UTF-8');
  }
}
