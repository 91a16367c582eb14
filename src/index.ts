import { ErrorCode as codes, type ErrorCode as Code } from './base/refusals';
import { Proxy as ProxyClass } from './proxy';
import { RedisStore as Redis } from './sessions/redis-store';
import { MemoryStore as Memory } from './sessions/memory-store';
import { SidStore as Sid } from './sessions/sid-store';
import type * as types from './types';

/** The class, with the other public values as its properties. */
const named = Object.assign(ProxyClass, { MemoryStore: Memory, RedisStore: Redis, SidStore: Sid, ErrorCode: codes });

/** `require('socket.io-proxy2')` is the class itself. */
const Proxy = Object.assign(named, { Proxy: named, default: named });
type Proxy = ProxyClass;

// `export =` exports types only through a namespace.
// eslint-disable-next-line @typescript-eslint/no-namespace
declare namespace Proxy {
  export type Proxy = ProxyClass;
  export type MemoryStore = Memory;
  export type RedisStore = Redis;
  export type SidStore = Sid;
  export type ErrorCode = Code;
  export type Absence = types.Absence;
  export type AccessEntry = types.AccessEntry;
  export type AdminOptions = types.AdminOptions;
  export type Balance = types.Balance;
  export type BalanceFunction = types.BalanceFunction;
  export type HashKey = types.HashKey;
  export type DownReason = types.DownReason;
  export type DrainOptions = types.DrainOptions;
  export type DrainStatus = types.DrainStatus;
  export type EndOutcome = types.EndOutcome;
  export type FleetCounts = types.FleetCounts;
  export type FleetReport = types.FleetReport;
  export type FleetSetting = types.FleetSetting;
  export type HostOptions = types.HostOptions;
  export type HostReport = types.HostReport;
  export type HostStatus = types.HostStatus;
  export type HostTls = types.HostTls;
  export type MemberReport = types.MemberReport;
  export type MemoryStoreOptions = types.MemoryStoreOptions;
  export type PartialProxyOptions = types.PartialProxyOptions;
  export type ProxyEvents = types.ProxyEvents;
  export type ProxyOptions = types.ProxyOptions;
  export type RebalanceOptions = types.RebalanceOptions;
  export type RebalanceStatus = types.RebalanceStatus;
  export type RedisClient = types.RedisClient;
  export type Remains = types.Remains;
  export type RolloutState = types.RolloutState;
  export type Scope = types.Scope;
  export type ScopeOptions = types.ScopeOptions;
  export type Session = types.Session;
  export type SessionReport = types.SessionReport;
  export type SessionStore = types.SessionStore;
  export type SidStoreOptions = types.SidStoreOptions;
  export type SidTokens = types.SidTokens;
  export type StoredBinding = types.StoredBinding;
  export type Transport = types.Transport;
  export type WithDiscover = types.WithDiscover;
  export type WithHosts = types.WithHosts;
  export type WithRedisClient = types.WithRedisClient;
  export type WithStore = types.WithStore;
}

// Node finds the names that an ES module can import by searching the text for such assignments.
declare const exports: Record<string, unknown>;
exports.Proxy = exports.MemoryStore = exports.RedisStore = exports.SidStore = exports.ErrorCode = undefined;

export = Proxy;
