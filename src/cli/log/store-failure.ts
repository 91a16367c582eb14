import { describe } from '../../base/describe';

/** How Node's and OpenSSL's texts for a certificate that is not trusted begin, with what helps. */
const UNTRUSTED: readonly (readonly [RegExp, string])[] = [
  [/self-signed certificate|unable to (?:get|verify)|invalid CA/i, '--redis-ca names the CA that signed it'],
  [/Hostname\/IP does not match/i, '--redis has to use a name that the certificate holds'],
  [/certificate (?:has expired|is not yet valid)/i, 'the Redis needs a new one'],
];

/** What happened to the store, and what helps where that is known. */
export function storeFailure(error: Error): string {
  // The client of Sentinel puts this before an error, and reports the error itself too late.
  const text = describe(error).replace(/^obseve client error: (?:\w*Error: )?/, '');
  const remedy = UNTRUSTED.find(([pattern]) => pattern.test(text))?.[1];
  if (remedy !== undefined) return `the certificate of this Redis is not trusted: ${text}; ${remedy}`;
  if (text.includes('one node of a cluster')) {
    const [, moved = ''] = /(MOVED.*)$/.exec(text) ?? [];
    return `this Redis is one node of a cluster: --redis-cluster lets the command use all of them (${moved})`;
  }
  if (/alert certificate required/i.test(text)) {
    return `this Redis asks for a client certificate: --redis-cert and --redis-key name one (${text})`;
  }
  return text;
}
