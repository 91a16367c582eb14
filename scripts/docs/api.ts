/**
 * The public names of `socket.io-proxy2`, written by `npm run docs` from the comments in `src/`.
 *
 * `require('socket.io-proxy2')` is the class {@link Proxy} itself. It, `MemoryStore`, `RedisStore` and `ErrorCode` are
 * on it, and are named exports for `import`. The others are types.
 *
 * @module
 */
// As plain exports, since TypeDoc cannot follow the namespace that src/index.ts exports with `export =`.
export { Proxy } from '../../src/proxy';
export type { ProxyEvents } from '../../src/proxy-events';
export type {
  HostTls, PartialProxyOptions, ProxyOptions, WithDiscover, WithHosts, WithRedisClient, WithStore,
} from '../../src/proxy-options';
export type {
  DrainOptions, DrainStatus, EndOutcome, HostReport, RebalanceOptions, RebalanceStatus, SessionReport,
} from '../../src/operator';
export type { AccessEntry } from '../../src/access';
export type { AdminOptions } from '../../src/admin/options';
export type { Session, Transport } from '../../src/forwarder';
export type { Balance, BalanceFunction } from '../../src/balance';
export type { DownReason, HostStatus } from '../../src/host';
export type { HostOptions } from '../../src/host-options';
export { ErrorCode, type Absence } from '../../src/errors';
export { MemoryStore, type MemoryStoreOptions, type SessionStore, type StoredBinding } from '../../src/session-store';
export { RedisStore, type RedisClient } from '../../src/redis-store';
