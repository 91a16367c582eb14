import type { SessionStore, SidTokens, StoredBinding } from './session-store';
import { HostTokens } from './sid-tokens';

/** The shortest secret, in characters: as long as 16 random bytes in hexadecimal. */
export const MIN_SECRET = 32;

/** Options of {@link SidStore}. */
export interface SidStoreOptions {
  /**
   * What all proxies share, and nobody else knows: at least 32 characters, such as `openssl rand -hex 32` prints. Of a
   * list, the first secret makes tokens, and every one reads them: so secrets are changed one proxy after another.
   */
  secret: string | readonly string[];
}

/**
 * Stores nothing: a client's sid carries its host in a token, `<sid>.<token>`. Every proxy that has the secret routes
 * every session, also after a restart. What needs a store that remembers, it cannot do: a host's removal is seen by the
 * token alone, and a sid never expires here, but at its host.
 */
export class SidStore implements SessionStore {
  readonly #tokens: HostTokens;
  readonly tokens: SidTokens;

  /**
   * @param options the secret that the proxies share.
   * @throws TypeError when `secret` is neither a string of at least 32 characters nor a list of such. The message does
   *   not tell the secret.
   */
  constructor(options: SidStoreOptions) {
    this.tokens = this.#tokens = new HostTokens(secretsOf(Reflect.get(Object(options), 'secret')));
  }

  bind(): Promise<void> {
    return Promise.resolve();
  }

  find(sid: string): Promise<string | undefined> {
    return Promise.resolve(this.#tokens.hostOf(sid));
  }

  unbind(): Promise<void> {
    return Promise.resolve();
  }

  /** The sid has its token from the proxy, and so is bound to `host` alone. */
  claim(_sid: string, host: string): Promise<string> {
    return Promise.resolve(host);
  }

  release(): Promise<void> {
    return Promise.resolve();
  }

  inspect(sid: string): Promise<StoredBinding | undefined> {
    const host = this.#tokens.hostOf(sid);
    return Promise.resolve(host === undefined ? undefined : { host, expiresIn: undefined });
  }
}

function secretsOf(secret: unknown): readonly string[] {
  const secrets: readonly unknown[] = Array.isArray(secret) ? secret : [secret];
  const isLong = (each: unknown): each is string => typeof each === 'string' && each.length >= MIN_SECRET;
  if (secrets.length > 0 && secrets.every(isLong)) return secrets;
  throw new TypeError(`'secret' must be a string of at least ${MIN_SECRET} characters, or a list of such strings`);
}
