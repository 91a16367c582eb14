import { BlockList, isIP, isIPv6 } from 'node:net';
import { integerOf, isPlainObject, wrong } from '../base/checks';

/** Options of the admin server. */
export interface AdminOptions {
  /** The port to listen on, up to 65535. 0 chooses a free one. */
  port: number;
  /**
   * The IP address to listen on, or `localhost`. An address that other machines can reach requires a `token`.
   * @default '127.0.0.1'
   */
  bind?: string | undefined;
  /**
   * The token that requests must send as `Authorization: Bearer <token>`: 16 to 4096 visible ASCII characters. The
   * dashboard's page and the health checks need none. Without a token, anyone who reaches the address can see and do
   * everything. @default undefined
   */
  token?: string | undefined;
  /**
   * Host names without a port under which browsers may reach the admin server, besides `localhost`. IP addresses are
   * always allowed. @default []
   */
  allowedHosts?: readonly string[] | undefined;
}

/** Options of the admin server, with defaults applied. */
export interface ResolvedAdminOptions {
  readonly port: number;
  readonly bind: string;
  readonly token: string | undefined;
  readonly allowedHosts: readonly string[];
}

const NAMES = ['port', 'bind', 'token', 'allowedHosts'] satisfies (keyof AdminOptions)[];

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** @throws TypeError that names the option, what was expected and what was received. */
export function adminOptionsOf(value: unknown): ResolvedAdminOptions | undefined {
  if (value === undefined) return undefined;
  if (!isPlainObject(value)) throw wrong('admin', 'be an object', value);
  for (const key of Object.keys(value)) {
    if (!NAMES.some((name) => name === key)) {
      throw new TypeError(`'admin.${key}' is not an option; expected ${NAMES.join(', ')}`);
    }
  }
  const given: Partial<Record<keyof AdminOptions, unknown>> = value;
  const bind = bindOf(given.bind);
  const token = tokenOf(given.token);
  if (token === undefined && !isLoopback(bind)) {
    throw new TypeError(`'admin.token' is mandatory where 'admin.bind' is an address that others can reach: '${bind}'`);
  }
  return {
    port: integerOf('admin.port', given.port, 0, 65_535),
    bind,
    token,
    allowedHosts: allowedHostsOf(given.allowedHosts),
  };
}

function bindOf(bind: unknown = '127.0.0.1'): string {
  if (typeof bind !== 'string' || (bind !== 'localhost' && isIP(bind) === 0)) {
    throw wrong('admin.bind', "be an IP address or 'localhost'", bind);
  }
  return bind;
}

function isLoopback(bind: string): boolean {
  return bind === 'localhost' || loopback.check(bind, isIPv6(bind) ? 'ipv6' : 'ipv4');
}

function tokenOf(token: unknown): string | undefined {
  if (token === undefined) return undefined;
  if (typeof token !== 'string' || !/^[!-~]{16,4096}$/.test(token)) {
    // Does not show the received token: it is a secret. A longer one would not fit into a request's head.
    throw new TypeError("'admin.token' must be a string of 16 to 4096 visible ASCII characters");
  }
  return token;
}

function allowedHostsOf(names: unknown = []): readonly string[] {
  if (!Array.isArray(names)) throw wrong('admin.allowedHosts', 'be an array', names);
  return Array.from(names, (name: unknown, index) => {
    if (typeof name !== 'string' || !/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/i.test(name)) {
      throw wrong(`admin.allowedHosts[${index}]`, 'be the name of a machine, without a port', name);
    }
    return name.toLowerCase();
  });
}
