import { PlainFields } from '../forwarding/plain-fields';

/** GET or POST, a target in origin form and visible ASCII, and the version. */
const REQUEST_LINE = /^(GET|POST) (\/[!"$-~]*) HTTP\/1\.1\r\n/;

/** The head of a request that every server reads alike, and whose end it sees at the same byte. */
export interface WholeHead {
  readonly method: string;
  readonly url: string;
  readonly fields: PlainFields;
  /** The size of the head, in bytes. The body follows. */
  readonly size: number;
  /** The length of the body, in bytes. */
  readonly length: number;
}

/**
 * Reads the plain head at the beginning of some bytes.
 *
 * @param text the bytes in latin1.
 * @param maxSize the largest head, in bytes.
 * @param known the fields of an earlier request: the same ones need not be read again.
 * @returns `undefined` unless the head is whole and plain. Nothing is wrong with it for that.
 */
export function plainHeadOf(text: string, maxSize: number, known: PlainFields | undefined): WholeHead | undefined {
  const [line, method, url] = REQUEST_LINE.exec(text) ?? [];
  if (line === undefined || method === undefined || url === undefined) return undefined;
  const end = text.indexOf('\r\n\r\n', line.length);
  if (end === -1 || end + 4 > maxSize) return undefined;
  const lines = text.slice(line.length, end + 2);
  const fields = known?.text === lines ? known : PlainFields.of(lines);
  // A POST without a length has no body, but that is seldom meant.
  if (!fields || (fields.length === undefined) !== (method === 'GET')) return undefined;
  return { method, url, fields, size: end + 4, length: fields.length ?? 0 };
}
