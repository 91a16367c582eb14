/** What a field of a head is to a proxy, by its name. */
export enum Field {
  /** For the other end to read. */
  EndToEnd,
  Host,
  Connection,
  ContentLength,
  TransferEncoding,
  Expect,
  /** Speaks of one connection and not of the message (RFC 9110 §7.6.1). */
  Hop,
  /** A proxy's word on where a request came from, which anyone can write: one of those that are set here. */
  Forwarded,
  /** Such a word that is not set here. */
  ForwardedElse,
  /** Servers that read names as variables (CGI, WSGI, PHP, Rack) take it for one of those above. */
  Disguised,
  /** No name that a field can have. */
  Malformed,
}

/** RFC 9110 §5.6.2. */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

/** What stands in no field: a control character other than a tab. */
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
]);

/** How many names are remembered, and how long each may be: clients make up as many as they like. */
const MAX_KNOWN = 1000;
const MAX_KNOWN_LENGTH = 64;

/** Names as they were spelled: requests bring the same few, over and over. */
const known = new Map<string, Field>();

/** What a field with this name, in any spelling, is. */
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
  // As a rule that is the underscore, but some servers make one of any character that no variable's name has.
  return lookUp(key.replace(/[^a-z\d-]/g, '-')) === Field.EndToEnd ? Field.EndToEnd : Field.Disguised;
}

function lookUp(key: string): Field {
  return FIELDS.get(key) ?? (key.startsWith('x-forwarded-') ? Field.ForwardedElse : Field.EndToEnd);
}
