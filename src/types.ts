// The public types: `index.ts` hangs them on the class, and `npm run docs` describes them.
export type { AdminOptions } from './admin/options';
export type { Absence } from './base/refusals';
export type { Session, Transport } from './forwarding/forwarder';
export type { Balance, BalanceFunction } from './hosts/balance';
export type { HashKey } from './hosts/hash';
export type { DownReason, HostStatus } from './hosts/host';
export type { HostOptions } from './hosts/host-options';
export type { HostTls } from './hosts/host-tls';
export type { FleetCounts, FleetReport, FleetSetting, MemberReport, Remains } from './operating/fleet-shown';
export type {
  DrainOptions, DrainStatus, EndOutcome, HostReport, RebalanceOptions, RebalanceStatus, Scope, ScopeOptions,
  SessionReport,
} from './operating/operator';
export type { ProxyEvents } from './operating/proxy-events';
export type { RolloutState } from './operating/rollout-news';
export type {
  PartialProxyOptions, ProxyOptions, WithDiscover, WithHosts, WithRedisClient, WithStore,
} from './options/proxy-options';
export type { AccessEntry } from './serving/access';
export type { MemoryStoreOptions } from './sessions/memory-store';
export type { SidStoreOptions } from './sessions/sid-store';
export type { RedisClient } from './sessions/redis-store';
export type { SessionStore, SidTokens, StoredBinding } from './sessions/session-store';
