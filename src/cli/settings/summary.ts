import { X509Certificate } from 'node:crypto';
import type { Settings } from './settings';

/** What the command would run, in lines without anything secret. */
export function summary(settings: Settings): string {
  const { bind, port, resolved, workers, fleet, flagValues } = settings;
  const lines: (readonly [name: string, what: string])[] = [
    ['listen', `${bind ?? 'all interfaces'}, ${port === 0 ? 'any free port' : `port ${port}`}`],
    ['TLS', tlsOf(settings)],
    ['path', resolved.path],
    ['hosts', resolved.discover ? `of ${String(flagValues.get('discover'))}` : hostsOf(settings)],
    ['store', storeOf(settings)],
    ['fleet', fleet ? `a member, by the key prefix '${resolved.keyPrefix}'` : 'none'],
    ['workers', String(workers)],
    ['admin server', adminOf(settings)],
    ['trusted headers', trustOf(settings)],
    ['access log', accessLogOf(settings)],
  ];
  return `the settings are right; they would run:\n${lines.map(([name, what]) => `  ${name}: ${what}\n`).join('')}`;
}

function storeOf({ redis, sidSecrets }: Settings): string {
  if (sidSecrets) return 'none: each sid carries its host';
  return redis?.place ?? 'memory: sessions end with the process';
}

function tlsOf({ tls }: Settings): string {
  if (!tls) return 'none';
  const validTo = new Date(new X509Certificate(tls.cert).validTo).toISOString();
  return `${tls.certFile}, valid until ${validTo}, and ${tls.keyFile}`;
}

function hostsOf({ resolved: { hosts } }: Settings): string {
  return hosts.map(({ name, weight }) => (weight === 1 ? name : `${name}=${weight}`)).join(', ');
}

function adminOf({ resolved: { admin } }: Settings): string {
  if (!admin) return 'none';
  const port = admin.port === 0 ? 'any free port' : `port ${admin.port}`;
  return `${admin.bind}, ${port}, ${admin.token === undefined ? 'without a token' : 'with a token'}`;
}

function trustOf({ options: { trustProxy = false } }: Settings): string {
  if (typeof trustProxy === 'boolean') return trustProxy ? "everyone's" : "nobody's";
  return `those from ${trustProxy.join(', ')}`;
}

function accessLogOf({ accessLog }: Settings): string {
  if (!accessLog) return 'none';
  return `${accessLog.format}, to ${typeof accessLog.target === 'number' ? 'the standard output' : accessLog.target}`;
}
