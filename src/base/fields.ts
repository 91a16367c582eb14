/**
 * The kinds of header fields that a proxy treats differently. On the way to a host, fields of a kind that
 * `requestHeaders` in headers.ts does not name are dropped.
 */
export enum Field {
  /** Meant for the other end. */
  EndToEnd,
  Host,
  Connection,
  ContentLength,
  TransferEncoding,
  Expect,
  /** Hop-by-hop: concerns one connection and not the message (RFC 9110 §7.6.1). */
  Hop,
  /** Tells where a request came from. Clients can forge it, and this proxy sets it itself. */
  Forwarded,
  /** Tells where a request came from, but this proxy does not set it. */
  ForwardedElse,
  /** What a request is called, in logs. With the option `requestId`, this proxy sets it. */
  RequestId,
  /** Servers that turn names into variables (CGI, WSGI, PHP, Rack) mistake it for one of the above. */
  Disguised,
  /** Not a valid field name. */
  Malformed,
}

/** A field name (RFC 9110 §5.6.2). */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

/** Not allowed in a field value: control characters other than tab. */
const FORBIDDEN = /[^\t\x20-\x7e\x80-\xff]/;

const FIELDS = new Map<string, Field>([
  ['host', Field.Host],
  ['connection', Field.Connection],
  ['content-length', Field.ContentLength],
  ['transfer-encoding', Field.TransferEncoding],
  ['expect', Field.Expect],
  ...['keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer', 'upgrade']
    .map((name): [string, Field] => [name, Field.Hop]),
  ...['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port']
    .map((name): [string, Field] => [name, Field.Forwarded]),
  ['forwarded', Field.ForwardedElse],
  ['x-real-ip', Field.ForwardedElse],
  ['x-request-id', Field.RequestId],
]);

/** The most names in `known`, and the longest of them: clients may make up any number. */
const MAX_KNOWN = 1000;
const MAX_KNOWN_LENGTH = 64;

/** A cache by the original spelling: requests repeat the same few names. */
const known = new Map<string, Field>();

/** The kind of the field with this name, in any spelling. */
export function fieldOf(name: string): Field {
  const field = known.get(name);
  if (field !== undefined) return field;
  const found = classify(name);
  if (name.length > MAX_KNOWN_LENGTH) return found;
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(name, found);
  return found;
}

export function isFieldName(name: string): boolean {
  return TOKEN.test(name);
}

export function isFieldValue(value: string): boolean {
  return !FORBIDDEN.test(value);
}

function classify(name: string): Field {
  if (!isFieldName(name)) return Field.Malformed;
  const key = name.toLowerCase();
  const field = lookUp(key);
  if (field !== Field.EndToEnd) return field;
  // Usually an underscore disguises a hyphen. But some servers turn any invalid character of a variable into one.
  return lookUp(key.replace(/[^a-z\d-]/g, '-')) === Field.EndToEnd ? Field.EndToEnd : Field.Disguised;
}

function lookUp(key: string): Field {
  return FIELDS.get(key) ?? (key.startsWith('x-forwarded-') ? Field.ForwardedElse : Field.EndToEnd);
}
