import { isIP } from 'node:net';
import { integerOf, isObject, wrong } from '../checks';

/** Options of the admin server. */
export interface AdminOptions {
  /** The port to listen on; 0 for any. */
  port: number;
  /**
   * The address to listen on, or `localhost`. Any that is not of the loopback interface needs a `token`.
   * @default '127.0.0.1'
   */
  bind?: string;
  /**
   * What requests have to bring along, as in `Authorization: Bearer <token>`: at least 16 visible ASCII characters.
   * Without it anyone can see and do everything who reaches the address. @default undefined
   */
  token?: string;
  /** Host names that requests may name in `Host`, beside addresses and `localhost`. @default [] */
  allowedHosts?: readonly string[];
}

/** Options with nothing left open. */
export interface ResolvedAdminOptions {
  readonly port: number;
  readonly bind: string;
  readonly token: string | undefined;
  readonly allowedHosts: readonly string[];
}

const NAMES = ['port', 'bind', 'token', 'allowedHosts'];

/** The shortest token: one that is guessed protects nothing. */
const MIN_TOKEN_LENGTH = 16;

/** @throws TypeError that names the option, what was expected and what was received, but for a token. */
export function adminOptionsOf(options: unknown): ResolvedAdminOptions | undefined {
  if (options === undefined) return undefined;
  if (!isObject(options)) throw wrong('admin', 'be an object', options);
  for (const name of Object.keys(options)) {
    if (!NAMES.includes(name)) {
      throw new TypeError(`'admin.${name}' is not an option; expected ${NAMES.join(', ')}`);
    }
  }
  const { port, bind = '127.0.0.1', token, allowedHosts = [] } = options as Record<string, unknown>;
  const resolved = {
    port: integerOf('admin.port', port, 0, 65_535),
    bind: bindOf(bind),
    token: tokenOf(token),
    allowedHosts: allowedHostsOf(allowedHosts),
  };
  if (resolved.token === undefined && !isLoopback(resolved.bind)) {
    throw new TypeError(`'admin.token' is mandatory where 'admin.bind' is '${resolved.bind}', which others can reach`);
  }
  return resolved;
}

function bindOf(bind: unknown): string {
  if (typeof bind === 'string' && (bind === 'localhost' || isIP(bind) !== 0)) return bind;
  throw wrong('admin.bind', "be an IP address or 'localhost'", bind);
}

function tokenOf(token: unknown): string | undefined {
  if (token === undefined) return undefined;
  if (typeof token === 'string' && token.length >= MIN_TOKEN_LENGTH && /^[\x21-\x7e]+$/.test(token)) return token;
  // Without the value, which may be a real one with a mistake in it.
  throw new TypeError(`'admin.token' must be a string of at least ${MIN_TOKEN_LENGTH} visible ASCII characters`);
}

function allowedHostsOf(hosts: unknown): string[] {
  const isName = (host: unknown): host is string => typeof host === 'string' && /^[\w.-]+$/.test(host);
  if (Array.isArray(hosts) && hosts.every(isName)) return hosts.map((host) => host.toLowerCase());
  throw wrong('admin.allowedHosts', 'be an array of host names, without ports', hosts);
}

function isLoopback(bind: string): boolean {
  return bind === 'localhost' || bind === '::1' || bind.startsWith('127.');
}
