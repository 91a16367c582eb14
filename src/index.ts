import { ErrorCode as codes } from './base/errors';
import type { AccessEntry as Entry } from './serving/access';
import type { AdminOptions as Admin } from './admin/options';
import type { Balance as BalanceOption, BalanceFunction as Balancer } from './hosts/balance';
import type { Absence as NoSession, ErrorCode as Code } from './base/errors';
import type { Session as OpenedSession, Transport as SessionTransport } from './forwarding/forwarder';
import type { DownReason as Reason, HostStatus as Status } from './hosts/host';
import type { HostOptions as HostEntry } from './hosts/host-options';
import type {
  DrainOptions as Drain, DrainStatus as Drains, EndOutcome as Outcome, HostReport as Report,
  RebalanceOptions as Rebalance, RebalanceStatus as Rebalances, SessionReport as SessionInfo,
} from './operating/operator';
import { Proxy as ProxyClass } from './proxy';
import type { ProxyEvents as Events } from './operating/proxy-events';
import type {
  HostTls as Tls, PartialProxyOptions as PartialOptions, ProxyOptions as Options, WithDiscover as OptionsWithDiscover,
  WithHosts as OptionsWithHosts, WithRedisClient as OptionsWithRedisClient, WithStore as OptionsWithStore,
} from './options/proxy-options';
import { RedisStore as Redis, type RedisClient as Client } from './sessions/redis-store';
import {
  MemoryStore as Memory, type MemoryStoreOptions as MemoryOptions, type SessionStore as Store,
  type StoredBinding as Stored,
} from './sessions/session-store';

/** The class with the other public names on it, by whichever of its own names it goes. */
const named = Object.assign(ProxyClass, { MemoryStore: Memory, RedisStore: Redis, ErrorCode: codes });

/** `require('socket.io-proxy2')` is the class itself. */
const Proxy = Object.assign(named, { Proxy: named, default: named });
type Proxy = ProxyClass;

// A namespace is how types hang on what `export =` exports.
// eslint-disable-next-line @typescript-eslint/no-namespace
declare namespace Proxy {
  export type AccessEntry = Entry;
  export type AdminOptions = Admin;
  export type Absence = NoSession;
  export type DrainOptions = Drain;
  export type DrainStatus = Drains;
  export type EndOutcome = Outcome;
  export type HostReport = Report;
  export type RebalanceOptions = Rebalance;
  export type RebalanceStatus = Rebalances;
  export type SessionReport = SessionInfo;
  export type Proxy = ProxyClass;
  export type MemoryStore = Memory;
  export type RedisStore = Redis;
  export type Balance = BalanceOption;
  export type BalanceFunction = Balancer;
  export type ErrorCode = Code;
  export type DownReason = Reason;
  export type HostOptions = HostEntry;
  export type HostStatus = Status;
  export type HostTls = Tls;
  export type MemoryStoreOptions = MemoryOptions;
  export type ProxyEvents = Events;
  export type PartialProxyOptions = PartialOptions;
  export type ProxyOptions = Options;
  export type RedisClient = Client;
  export type Session = OpenedSession;
  export type SessionStore = Store;
  export type StoredBinding = Stored;
  export type Transport = SessionTransport;
  export type WithDiscover = OptionsWithDiscover;
  export type WithHosts = OptionsWithHosts;
  export type WithRedisClient = OptionsWithRedisClient;
  export type WithStore = OptionsWithStore;
}

// Node learns which names an ES module may import from here by finding such assignments in the text.
declare const exports: Record<string, unknown>;
exports.Proxy = exports.MemoryStore = exports.RedisStore = exports.ErrorCode = undefined;

export = Proxy;
