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
export type { ProxyEvents } from '../../src/operating/proxy-events';
export type {
  HostTls, PartialProxyOptions, ProxyOptions, WithDiscover, WithHosts, WithRedisClient, WithStore,
} from '../../src/options/proxy-options';
export type {
  DrainOptions, DrainStatus, EndOutcome, HostReport, RebalanceOptions, RebalanceStatus, SessionReport,
} from '../../src/operating/operator';
export type { AccessEntry } from '../../src/serving/access';
export type { AdminOptions } from '../../src/admin/options';
export type { Session, Transport } from '../../src/forwarding/forwarder';
export type { Balance, BalanceFunction } from '../../src/hosts/balance';
export type { DownReason, HostStatus } from '../../src/hosts/host';
export type { HostOptions } from '../../src/hosts/host-options';
export { ErrorCode, type Absence } from '../../src/base/errors';
export { MemoryStore, type MemoryStoreOptions, type SessionStore, type StoredBinding } from '../../src/sessions/session-store';
export { RedisStore, type RedisClient } from '../../src/sessions/redis-store';
