import { randomUUID } from 'node:crypto';
import type { RequestHead } from '../base/request-head';
import { trusts, type TrustProxy } from '../base/trusted-networks';

/** What may stand in logs as it is. */
const ID = /^[\w.:+/=@-]{1,128}$/;

export interface RequestIdRules {
  readonly requestId: boolean;
  readonly trustProxy: TrustProxy;
}

/** What the request is called on its way: what a trusted proxy in front calls it, or else a new id. */
export function requestIdOf(req: RequestHead, { requestId, trustProxy }: RequestIdRules): string | undefined {
  if (!requestId) return undefined;
  const given = trusts(trustProxy, req.socket) ? req.headers['x-request-id'] : undefined;
  return typeof given === 'string' && ID.test(given) ? given : randomUUID();
}

/** The field that tells a host, with its line break; `''` for none. */
export function requestIdLine(id: string | undefined): string {
  return id === undefined ? '' : `X-Request-Id: ${id}\r\n`;
}
