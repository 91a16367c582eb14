import { types } from 'node:util';
import { toError } from '../base/checks';
import { shownSid } from '../base/shown';
import type { RedisConnection } from './redis-clients';

/** Where an answer of Redis begins to quote the arguments of a command. It cuts them, so part of a sid may be there. */
const ARGUMENTS = /,? with args beginning with:.*$/gm;

/** A script may run only what its user may. */
const FORBIDDEN = /^NOPERM|^ERR The user executing the script can't run/;

/** Where clients of `redis` 2 and 3 and of `ioredis` keep what was sent. */
const SENT = ['command', 'args'];

/**
 * The connection, with errors that hold no whole sid: in no text, no cause, and no property. Errors are logged, and a
 * sid lets anyone speak as its session.
 */
export function withoutSids(connection: RedisConnection, keyPrefix: string): RedisConnection {
  const ask = async <T>(keys: readonly string[], call: () => Promise<T>): Promise<T> => {
    try {
      return await call();
    } catch (error) {
      throw shortened(error, keys.map((key) => (key.startsWith(keyPrefix) ? key.slice(keyPrefix.length) : key)));
    }
  };
  return {
    ...connection,
    read: (key) => ask([key], () => connection.read(key)),
    expire: (key, seconds, ...mode) => ask([key], () => connection.expire(key, seconds, ...mode)),
    set: (key, ...rest) => ask([key], () => connection.set(key, ...rest)),
    setNew: (key, ...rest) => ask([key], () => connection.setNew(key, ...rest)),
    del: (key) => ask([key], () => connection.del(key)),
    evaluate: (script, keys, args) => ask(keys, () => connection.evaluate(script, keys, args)),
  };
}

/** The error, changed so that it holds none of these sids, and no arguments of a command. */
export function shortened(value: unknown, sids: readonly string[] = []): Error {
  const error = toError(value);
  const seen = new Set<unknown>();
  const shorten = (one: unknown): void => {
    if (!isError(one) || seen.has(one)) return;
    seen.add(one);
    for (const name of ['message', 'stack']) {
      const text: unknown = Reflect.get(one, name);
      if (typeof text === 'string') Reflect.set(one, name, shortenedText(text, sids));
    }
    for (const name of SENT) Reflect.deleteProperty(one, name);
    shorten(one.cause);
    const errors: unknown = Reflect.get(one, 'errors');
    if (Array.isArray(errors)) errors.forEach(shorten);
  };
  shorten(error);
  return error;
}

function shortenedText(text: string, sids: readonly string[]): string {
  return sids.filter(Boolean)
    .reduce((rest, sid) => rest.replaceAll(sid, shownSid(sid)), text.replace(ARGUMENTS, ''));
}

/** @throws the error of a command. If the server or the client is the wrong one, the error says so. */
export function explain(error: unknown): never {
  if (!(error instanceof Error)) throw error;
  if (error.message.startsWith('MOVED')) {
    const wanted = 'createCluster() of redis, or Cluster of ioredis';
    const text = `this Redis is one node of a cluster, and needs a cluster client (${wanted}): ${error.message}`;
    throw new Error(text, { cause: error });
  }
  if (isUnknownCommand(error)) {
    const text = 'this server does not know a command of the proxy. Is it a Sentinel, or are its commands renamed?';
    throw new Error(`${text}: ${error.message}`, { cause: error });
  }
  throw error;
}

/** The Redis user may be allowed only the commands that earlier versions of this package sent. */
export function unlessForbidden(error: unknown): undefined {
  if (error instanceof Error && (FORBIDDEN.test(error.message) || isUnknownCommand(error))) return undefined;
  return explain(error);
}

function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value);
}

function isUnknownCommand({ message }: Error): boolean {
  return /^ERR unknown command\b/i.test(message);
}
