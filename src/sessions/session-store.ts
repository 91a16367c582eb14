/** A binding as the store has it. */
export interface StoredBinding {
  /** The host, exactly as it was bound. */
  readonly host: string;
  /** When the binding expires unless it is renewed, in seconds from now; `undefined` if the store cannot tell. */
  readonly expiresIn: number | undefined;
}

/** A store answers, but takes no writes any more. Look-ups may go on. */
export class WritesRefusedError extends Error {
  override name = 'WritesRefusedError';
}

/** How a client's sid carries its host: behind its server's sid, in a token. */
export interface SidTokens {
  /** The sid for the client of a session, with the token of its host. */
  add(sid: string, host: string): string;
  /** The server's sid in one that `add` has returned, or for which `find` has found a host. */
  cut(sid: string): string;
}

/** Where bindings live. Every proxy that shares a store routes every session. */
export interface SessionStore {
  /**
   * Binds a sid. Once resolved, every proxy that shares the store can `find` it.
   *
   * @param sid any characters, up to 512 of them.
   * @param host as it stands in the proxy's `hosts`.
   * @param ttl how long the binding lives, in seconds, unless `find` renews it.
   */
  bind(sid: string, host: string, ttl: number): Promise<void>;
  /**
   * The bound host; `undefined` when unknown or expired. Renews the expiry to at least `ttl` seconds. Never shortens
   * it: another proxy may know that the session needs longer.
   *
   * @param ttl how long the binding lives from now on, at least, in seconds.
   */
  find(sid: string, ttl: number): Promise<string | undefined>;
  /** Forgets the sid if it is known. */
  unbind(sid: string): Promise<void>;
  /**
   * Binds the sid if it is unknown or expired, in one atomic step. Resolves with the host that the sid is bound to by
   * then: `host`, or another one, whose binding stays as it is. If the sid is bound to `host` already, renews the
   * expiry as `find` does. Without this method, a proxy calls `find` and then `bind`, and overwrites what another proxy
   * has bound in between.
   *
   * @param over the host of a session that has ended: if the sid is bound to it, it is bound to `host` instead.
   */
  claim?(sid: string, host: string, ttl: number, over?: string): Promise<string>;
  /**
   * Forgets the sid if it is bound to `host` and expires within `expiresIn` seconds, in one atomic step: a session that
   * has taken the sid meanwhile keeps it. Without this method, a proxy calls `inspect` and then `unbind`.
   */
  release?(sid: string, host: string, expiresIn: number): Promise<void>;
  /**
   * The binding, for operators of the proxy; `undefined` when unknown or expired. Does not renew the expiry. Without
   * this method, a proxy calls `find`.
   */
  inspect?(sid: string): Promise<StoredBinding | undefined>;
  /**
   * For a store whose sids carry their hosts: the proxy adds the token to the sid in a handshake's answer, and cuts it
   * off in all that it sends to the host. The store's other methods get sids with tokens.
   */
  readonly tokens?: SidTokens | undefined;
  /**
   * The part of the store in which a sid lies, for a store whose parts can fail alone. With this method, `failed` of
   * `watch` means that a part may have failed. A part that leaves some calls unanswered is not asked until it answers.
   */
  partOf?: ((sid: string) => number) | undefined;
  /**
   * Reports changes of the store's own state: calls `failed` when the store becomes unable to serve, and `ready` when
   * it can serve again (its contents may be gone by then). A proxy calls this once, before `open`. `close` ends it.
   */
  watch?(failed: (error: Error) => void, ready: () => void): void;
  /**
   * Opens what must be open before the first call. A proxy calls it again after it has rejected. Calls that are made
   * before it has resolved wait or reject.
   */
  open?(): Promise<void>;
  /** Closes what `open` opened, and nothing else. Called even if `open` was not. */
  close?(): Promise<void>;
}
