/** The methods whose requests may have a body. Engine.IO uses GET, POST and OPTIONS. */
const METHODS_WITH_BODY = new Set(['POST', 'PUT', 'PATCH']);

export function mayHaveBody(method: string): boolean {
  return METHODS_WITH_BODY.has(method);
}
