import type { IncomingMessage } from 'node:http';
import { isObject } from '../checks';
import { invalid, Problem } from './problem';

/** The largest body, in bytes. */
const MAX_SIZE = 16_384;

/**
 * Reads a JSON object with no members but the named ones; an empty body stands for an empty object.
 *
 * @throws Problem 413 and 422.
 */
export async function readBody<Name extends string>(
  req: IncomingMessage, names: readonly Name[],
): Promise<Partial<Record<Name, unknown>>> {
  const text = await readText(req);
  if (text.trim() === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`the body is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isObject(value) || Array.isArray(value)) throw invalid('the body must be a JSON object');
  const known: readonly string[] = names;
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) throw invalid(`'${unknown}' is not known here; expected ${names.join(', ')}`);
  return value;
}

async function readText(req: IncomingMessage): Promise<string> {
  const tooLarge = new Problem(413, 'TOO_LARGE', `the body is larger than ${MAX_SIZE} bytes`, { Connection: 'close' });
  if (Number(req.headers['content-length'] ?? 0) > MAX_SIZE) throw tooLarge;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_SIZE) throw tooLarge;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
