import type { Scope } from '../operating/operator';
import { Problem } from './problems';

/**
 * Whom a change concerns.
 *
 * @param others the route's other parameters.
 * @throws Problem if there is an unknown parameter, or no such scope.
 */
export function scopeOf(query: URLSearchParams, ...others: string[]): Scope {
  const names = ['scope', ...others];
  for (const key of query.keys()) {
    // A misspelled parameter must not be ignored.
    if (!names.includes(key)) throw new Problem('INVALID', `unknown parameter '${key}'; expected ${names.join(', ')}`);
  }
  const given = query.getAll('scope');
  const [scope = 'fleet'] = given;
  if (given.length > 1 || (scope !== 'fleet' && scope !== 'proxy')) {
    throw new Problem('INVALID', "'scope' must be fleet or proxy");
  }
  return scope;
}
