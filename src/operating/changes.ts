import type { EventEmitter } from 'node:events';
import { describe } from '../base/describe';
import { seldom } from '../base/seldom';
import { shownSid, withText } from '../base/shown';
import type { Change } from './operator';
import type { ProxyEvents } from './proxy-events';
import type { RolloutState } from './rollout-news';

/** What a change is about, for those who read it by program. */
export interface ChangeFields {
  /** The name of the host that has changed. */
  readonly host?: string | undefined;
  /** The id of the member of the fleet that it is about. */
  readonly member?: string | undefined;
  readonly [name: string]: unknown;
}

/** Receives a change with one line for people. */
export type TellChange = (type: Change['type'], message: string, fields: ChangeFields) => void;

/** Puts the events of a proxy into words: for its log, and for those who watch the admin API. */
export function watchChanges(events: EventEmitter<ProxyEvents>, tell: TellChange): void {
  watchHosts(events, tell);
  events.on('discoveryError', (error) => {
    tell('undiscovered', `hosts stay as they are: ${describe(error)}`, { error: describe(error) });
  });
  events.on('degraded', (error) => {
    tell('degraded', `the store fails: ${describe(error)}`, { error: describe(error) });
  });
  events.on('joined', (member) => tell('joined', `proxy ${member} has joined the fleet`, { member }));
  events.on('left', (member) => tell('left', `proxy ${member} has left the fleet`, { member }));
  events.on('disagree', (member, what) => {
    const remedy = 'sessions of one may be unknown to the other. All proxies need the same';
    tell('disagree', `proxy ${member} of the fleet has other ${what}: ${remedy}`, { member, what });
  });
  events.on('recovered', () => tell('recovered', 'the store works again', {}));
  events.on('duplicate', seldom((sid, host, otherHost) => {
    const what = `the sid ${shownSid(sid)}… of a session that is alive on ${otherHost}`;
    const message = `${host} has assigned ${what}: sids must be unique over all hosts`;
    tell('duplicate', message, { sid: shownSid(sid), host, otherHost });
  }));
  events.on('rebalancing', () => tell('rebalancing', 'sessions are moving from the fullest hosts to others', {}));
  events.on('rebalanced', (moved) => {
    tell('rebalanced', `the rebalance is over: ${moved} sessions were moved`, { moved });
  });
  events.on('rollout', (state, old, hosts) => {
    tell('rollout', rolloutMessage(state, old.join(', '), hosts?.join(', ')), { state, old, hosts });
  });
  events.on('closing', () => tell('closing', 'the proxy is closing', {}));
}

function watchHosts(events: EventEmitter<ProxyEvents>, tell: TellChange): void {
  for (const type of ['up', 'added', 'removed', 'drained'] as const) {
    events.on(type, (host) => tell(type, `${host} is ${type}`, { host }));
  }
  events.on('down', (host, reason, text) => {
    tell('down', `${host} is down: ${withText(reason, text)}`, { host, reason, text });
  });
  events.on('draining', (host) => tell('draining', `${host} gets no new session`, { host }));
  events.on('undrained', (host) => tell('undrained', `${host} gets new sessions again`, { host }));
  events.on('suspicious', (host, text) => {
    tell('suspicious', host === undefined ? text : `${host}: ${text}`, { host, text });
  });
}

function rolloutMessage(state: RolloutState, old: string, hosts = 'those that come later'): string {
  const what = `the rollout of ${hosts}`;
  if (state === 'begun') return `${what} has begun, in place of ${old || 'none'}`;
  if (state === 'draining') return `${what}: new sessions no longer go to ${old || 'other hosts'}`;
  return state === 'over' ? `${what} is over` : `${what} was stopped`;
}
