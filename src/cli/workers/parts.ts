import { Proxy } from '../../proxy';
import type { ProxyInternals, ProxyParts } from '../../proxy-internals';
import type { PartialProxyOptions } from '../../options/proxy-options';

/** Makes a proxy, with what it is made of. */
export function proxyWithParts(
  options: PartialProxyOptions, internals: ProxyInternals,
): { proxy: Proxy; parts: ProxyParts } {
  const taken: ProxyParts[] = [];
  const take = (parts: ProxyParts): void => {
    taken.push(parts);
    internals.parts?.(parts);
  };
  const proxy = new Proxy(options, { ...internals, parts: take });
  const [parts] = taken;
  if (!parts) throw new Error('a proxy is made of nothing');
  return { proxy, parts };
}
