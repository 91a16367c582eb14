import { MemoryStore, type SessionStore } from '../../src';
import { createTotals, type Totals } from '../../src/base/totals';
import { Host } from '../../src/hosts/host';
import { Hosts } from '../../src/hosts/hosts';
import type { Binding, SessionWork } from '../../src/sessions/binding';
import { Bindings, type BindingsOptions } from '../../src/sessions/bindings';
import { onCleanup } from './cleanup';

/** How hosts would be asked for sessions. */
export const AT_HOST = { path: '/socket.io/', hostTls: {}, tokens: undefined };

export interface Known {
  bindings: Bindings;
  hosts: Hosts;
  a: Host;
  b: Host;
  totals: Totals;
  inner: MemoryStore;
  /** What the store was asked for sids of the test's. */
  asked: string[];
  /** The store's connection is lost, as the store says. */
  fail: () => void;
}

/** Bindings over a store in memory, with two hosts that are up. @param answers what the store does instead. */
export function known(options: Partial<BindingsOptions> = {}, answers: Partial<SessionStore> = {}): Known {
  const [a, b] = [new Host('a:1'), new Host('b:1')];
  const hosts = new Hosts([a, b], { balance: 'random', slowStart: 0, maxSessions: undefined, unhealthyAfter: 1, healthyAfter: 1 });
  for (const host of hosts.all) hosts.report(host, undefined);
  const inner = new MemoryStore();
  const asked: string[] = [];
  const ask = <Args extends [sid: string, ...rest: unknown[]], T>(call: string, answer: (...args: Args) => T) => (...args: Args): T => {
    // Others are the guard's own.
    if (!args[0].startsWith('probe-')) asked.push([call, ...args].join(' '));
    return answer(...args);
  };
  let failed: (error: Error) => void = () => {};
  const store: SessionStore = {
    bind: ask('bind', answers.bind ?? inner.bind.bind(inner)),
    find: ask('find', answers.find ?? inner.find.bind(inner)),
    unbind: ask('unbind', answers.unbind ?? inner.unbind.bind(inner)),
    claim: ask('claim', answers.claim ?? inner.claim.bind(inner)),
    release: ask('release', answers.release ?? inner.release.bind(inner)),
    inspect: ask('inspect', answers.inspect ?? inner.inspect.bind(inner)),
    watch: (tell) => void (failed = tell),
    close: () => Promise.resolve(void asked.push('close')),
  };
  const totals = createTotals();
  const bindings = new Bindings(store, hosts, { ...AT_HOST, keyExpiry: 60, cacheSize: 10, storeTimeout: 1000, ...options }, totals);
  onCleanup(() => bindings.close());
  return { bindings, hosts, a, b, totals, inner, asked, fail: () => failed(new Error('lost')) };
}

/** Binds a sid that no other session has. */
export async function bound({ bindings }: Known, sid: string, host: Host, lifetime: number): Promise<Binding> {
  const binding = await bindings.bind(sid, host, lifetime);
  if (!binding) throw new Error(`${sid} is another session's`);
  return binding;
}

/** Begins a request of a session. */
export function held({ bindings }: Known, binding: Binding): SessionWork {
  const work: SessionWork = { newer: undefined, older: undefined };
  bindings.hold(binding, work);
  return work;
}

/** How many sessions each host has. */
export const sessionsOf = ({ a, b }: Known): number[] => [a.sessions, b.sessions];
