/**
 * The public names of `socket.io-proxy2`, written by `npm run docs` from the comments in `src/`.
 *
 * `require('socket.io-proxy2')` is the class {@link Proxy} itself. It, `MemoryStore`, `RedisStore` and `ErrorCode` are
 * on it, and are named exports for `import`. The others are types.
 *
 * @module
 */
// As plain exports, since TypeDoc cannot follow the namespace that src/index.ts exports with `export =`.
export { Proxy, type ProxyEvents } from '../../src/proxy';
export type { HostTls, ProxyOptions } from '../../src/options';
export type { Session, Transport } from '../../src/forwarder';
export type { Balance, BalanceFunction } from '../../src/balance';
export type { DownReason, HostStatus } from '../../src/host';
export type { HostOptions } from '../../src/host-options';
export { ErrorCode } from '../../src/errors';
export { MemoryStore, type MemoryStoreOptions, type SessionStore } from '../../src/session-store';
export { RedisStore, type RedisClient } from '../../src/redis-store';
