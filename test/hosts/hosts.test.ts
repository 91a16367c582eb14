import { Host, type DownReason } from '../../src/hosts/host';
import { Hosts, type HostsOptions } from '../../src/hosts/hosts';
import { reasonOf } from '../../src/hosts/reasons';
import { settle, stopClock, type Clock } from '../support/clock';
import { requestsOf } from '../support/handshakes';
import type { IncomingMessage } from 'node:http';

const [REQUEST] = requestsOf(1) as [IncomingMessage];
const EVENTS = ['up', 'down', 'added', 'removed', 'draining', 'undrained', 'drained'] as const;

let clock: Clock;
let events: string[];

beforeEach(() => {
  clock = stopClock();
});

/** Hosts of which nothing is known yet, and what they tell. */
function make(names = ['a:1', 'b:1'], options: Partial<HostsOptions> = {}): Hosts {
  const hosts = new Hosts(names.map((name) => new Host(name)), {
    unhealthyAfter: 3, healthyAfter: 2, balance: 'round-robin', slowStart: 0, maxSessions: undefined, ...options,
  });
  // Of these hosts alone: those of an earlier test may still have something to tell.
  const told: string[] = events = [];
  for (const event of EVENTS) hosts.on(event, ({ name }: Host, reason?: DownReason) => told.push([event, name, reason].join(' ').trim()));
  return hosts;
}

/** Hosts that are up, and have told so. */
function makeUp(...args: Parameters<typeof make>): Hosts {
  const hosts = make(...args);
  for (const host of hosts.all) hosts.report(host, undefined);
  events.length = 0;
  return hosts;
}

const errorOf = (code: unknown): Error => Object.assign(new Error('failed'), { code });

describe('the set of hosts', () => {
  it('grows and shrinks, and is another array each time', () => {
    const hosts = make();
    const before = hosts.all;
    hosts.add(new Host('c:1'));
    const [a] = before as [Host];
    hosts.remove('a:1');
    expect([before, hosts.all].map((all) => all.map(({ name }) => name))).toEqual([['a:1', 'b:1'], ['b:1', 'c:1']]);
    expect([a.removed, hosts.get('a:1'), hosts.get('c:1')?.name, hosts.get('b:1')?.removed]).toEqual([true, undefined, 'c:1', false]);
    expect(events).toEqual(['added c:1', 'removed a:1']);
  });

  it('knows hosts by their names alone, and takes no server twice', () => {
    const hosts = make();
    for (const name of ['c:1', 'http://a:1']) expect(() => hosts.named(name)).toThrow(`unknown host '${name}'`);
    expect(hosts.named('a:1')).toBe(hosts.all[0]);
    // DNS is not asked for others, unless somebody says so.
    expect(hosts.awaitsDiscovery).toBe(false);
    expect(() => hosts.add(new Host('http://A:1'))).toThrow(
      new TypeError("'host' must name another server than 'a:1', received 'http://A:1'"),
    );
    expect([hosts.all.length, events]).toEqual([2, []]);
  });

  it('asks one after the other for an unknown host, until it is known', async () => {
    const hosts = make();
    const asked: string[] = [];
    hosts.seekWith((name) => void asked.push(`first ${name}`));
    hosts.seekWith(async (name) => {
      await settle();
      asked.push(`second ${name}`);
      if (name !== 'nobody:1') hosts.add(new Host(name));
    });
    hosts.seekWith((name) => void asked.push(`third ${name}`));
    const sought = [await hosts.seek('c:1'), await hosts.seek('a:1'), await hosts.seek('nobody:1')];
    expect(sought.map((host) => host?.name)).toEqual(['c:1', 'a:1', undefined]);
    expect(asked).toEqual(['first c:1', 'second c:1', 'first nobody:1', 'second nobody:1', 'third nobody:1']);
  });
});

describe('a drain', () => {
  it('tells once that it begins, that the host is empty, and that it is over', async () => {
    const hosts = makeUp();
    const host = hosts.named('a:1');
    expect(hosts.isSettled(host)).toBe(true);
    for (let i = 0; i < 2; i += 1) hosts.drain('a:1');
    expect([hosts.isSettled(host), hosts.all.map(({ draining }) => draining)]).toEqual([false, [true, false]]);
    await settle();
    hosts.settle(host);
    await settle();
    expect(events).toEqual(['draining a:1', 'drained a:1']);
    expect(hosts.isSettled(host)).toBe(true);
    for (let i = 0; i < 2; i += 1) hosts.undrain('a:1');
    expect([events.slice(2), host.draining]).toEqual([['undrained a:1'], false]);
    hosts.drain('a:1');
    await settle();
    expect(events.slice(3)).toEqual(['draining a:1', 'drained a:1']);
  });

  it('waits until the host is empty, also of what begins in the same turn', async () => {
    const hosts = makeUp();
    const host = hosts.named('a:1');
    host.sessions = 1;
    hosts.drain('a:1');
    await settle();
    host.sessions = 0;
    hosts.settle(host);
    host.requests = 1;
    await settle();
    expect([events, hosts.isSettled(host)]).toEqual([['draining a:1'], false]);
    host.requests = 0;
    await settle();
    expect([events, hosts.isSettled(host)]).toEqual([['draining a:1'], false]);
    for (let i = 0; i < 2; i += 1) hosts.settle(host);
    await settle();
    expect(events).toEqual(['draining a:1', 'drained a:1']);
  });

  it.each<[what: string, end: (hosts: Hosts) => void]>([
    ['is called off', (hosts) => hosts.undrain('a:1')], ['is of a host that is removed', (hosts) => hosts.remove('a:1')],
  ])('tells nothing more where it %s', async (_, end) => {
    const hosts = makeUp();
    const host = hosts.named('a:1');
    host.sessions = 1;
    hosts.drain('a:1');
    end(hosts);
    host.sessions = 0;
    hosts.settle(host);
    await settle();
    expect(events).not.toContain('drained a:1');
    expect(hosts.isSettled(host)).toBe(true);
  });

  it('ends with the sessions of a host that refuses connections', async () => {
    const hosts = makeUp();
    const host = hosts.named('a:1');
    host.sessions = 1;
    hosts.drain('a:1');
    hosts.report(host, 'refused');
    await settle();
    expect(events).toEqual(['draining a:1', 'down a:1 refused', 'drained a:1']);
  });
});

describe('the choice for a session', () => {
  it('is of hosts that are up, not draining, of some weight, and not tried', () => {
    const hosts = makeUp(['a:1', 'b:1', 'c:1', 'd:1', 'e:1']);
    hosts.add(new Host('unknown:1'));
    hosts.drain('a:1');
    hosts.setWeight('b:1', 0);
    hosts.report(hosts.named('c:1'), 'refused');
    const picked = (...tried: string[]): string | undefined =>
      hosts.pick(REQUEST, true, new Set(tried.map((name) => hosts.named(name))))?.name;
    expect([hosts.pick(REQUEST, true)?.name, hosts.pick(REQUEST, true)?.name]).toEqual(['d:1', 'e:1']);
    expect([picked('d:1'), picked('e:1'), picked('d:1', 'e:1')]).toEqual(['e:1', 'd:1', undefined]);
    expect(hosts.open).toBe(true);
    hosts.setWeight('d:1', 0);
    hosts.setWeight('e:1', 0);
    expect([hosts.open, hosts.pick(REQUEST, true)]).toEqual([false, undefined]);
  });

  it('is by least connections while hosts are levelled, but for a function of the user\'s', () => {
    const picked = (balance: HostsOptions['balance'], levelling: boolean): string | undefined => {
      const hosts = makeUp(['a:1', 'b:1'], { balance });
      hosts.levelling = levelling;
      hosts.named('a:1').sessions = 1;
      return hosts.pick(REQUEST, true)?.name;
    };
    expect([picked('round-robin', false), picked('round-robin', true), picked(() => 'a:1', true)]).toEqual(['a:1', 'b:1', 'a:1']);
  });
});

describe('a health check', () => {
  const reports = (hosts: Hosts, ...found: (DownReason | undefined)[]): void => {
    for (const reason of found) hosts.report(hosts.named('a:1'), reason);
  };

  it.each<[what: string, found: (DownReason | undefined)[], told: string[]]>([
    ['the first that succeeds', [undefined, undefined], ['up a:1']],
    ['the first that fails', ['silent', 'silent'], ['down a:1 silent']],
    ['the third in a row that fails', [undefined, 'silent', 'failing', 'failing', 'failing'], ['up a:1', 'down a:1 failing']],
    ['two in a row that fail', [undefined, 'silent', 'silent', undefined, 'silent', 'silent'], ['up a:1']],
    ['a refusal', [undefined, 'refused'], ['up a:1', 'down a:1 refused']],
    ['the second in a row that succeeds', ['silent', undefined, 'silent', undefined, undefined], ['down a:1 silent', 'up a:1']],
    ['one that succeeds', ['silent', undefined, 'silent', undefined], ['down a:1 silent']],
  ])('tells what is new: %s', (_, found, told) => {
    reports(make(), ...found);
    expect(events).toEqual(told);
  });

  it('finds the reason anew of a host that is down', () => {
    const hosts = make();
    reports(hosts, 'silent', 'failing');
    expect([hosts.named('a:1').downReason, events]).toEqual(['failing', ['down a:1 silent']]);
  });

  it('finds nothing of a host that was removed', () => {
    const hosts = makeUp();
    const host = hosts.named('a:1');
    hosts.remove('a:1');
    hosts.report(host, 'refused');
    hosts.adopt(host, 'refused');
    expect([host.up, events]).toEqual([true, ['removed a:1']]);
  });
});

describe('a host that cannot be reached', () => {
  it.each([
    ['ECONNREFUSED', 'refused'], ['EHOSTUNREACH', 'unreachable'], ['ENETUNREACH', 'unreachable'], ['EHOSTDOWN', 'unreachable'],
    ['ETIMEDOUT', 'unreachable'], ['EADDRNOTAVAIL', undefined], ['EMFILE', undefined], [1, undefined],
  ])('after an error %s is %s', (code, reason) => {
    expect(reasonOf(errorOf(code))?.reason).toBe(reason);
  });

  it('has no reason after an error without a code', () => {
    expect(reasonOf(new Error('failed'))).toBeUndefined();
  });

  it('is down after as many failures as of health checks, of which those of one time are one', async () => {
    const hosts = makeUp();
    const host = hosts.named('a:1');
    const fail = (code = 'ETIMEDOUT'): void => hosts.unreached(host, errorOf(code), 1000);
    for (let i = 0; i < 5; i += 1) fail();
    await clock.advance(999);
    for (let i = 0; i < 5; i += 1) fail();
    await clock.advance(1);
    for (let i = 0; i < 5; i += 1) fail();
    await clock.advance(1000);
    for (let i = 0; i < 5; i += 1) fail('EADDRNOTAVAIL');
    expect(events).toEqual([]);
    fail();
    expect(events).toEqual(['down a:1 unreachable']);
  });

  it('is down at once where it refuses, also a moment after another failure, and though it has answered', () => {
    const hosts = makeUp();
    const host = hosts.named('a:1');
    host.answered();
    hosts.unreached(host, errorOf('ETIMEDOUT'), 1000);
    hosts.unreached(host, errorOf('ECONNREFUSED'), 1000);
    expect(events).toEqual(['down a:1 refused']);
    const other = hosts.named('b:1');
    hosts.unreached(other, errorOf('ETIMEDOUT'), 1000);
    hosts.unreached(other, errorOf('ECONNREFUSED'), 1000);
    expect(events.slice(1)).toEqual(['down b:1 refused']);
  });

  it('is up while it answers other requests: what had failed before does not count', async () => {
    const hosts = makeUp();
    const host = hosts.named('a:1');
    const fail = (): void => hosts.unreached(host, errorOf('ETIMEDOUT'), 1000);
    for (let i = 0; i < 6; i += 1) {
      await clock.advance(1000);
      fail();
      await clock.advance(1);
      if (i % 2 === 1) host.answered();
    }
    for (let i = 0; i < 5; i += 1) {
      await clock.advance(999);
      fail();
      host.answered();
    }
    expect(events).toEqual([]);
    for (let i = 0; i < 2; i += 1) {
      await clock.advance(1000);
      fail();
    }
    expect(events).toEqual([]);
    await clock.advance(1000);
    fail();
    expect(events).toEqual(['down a:1 unreachable']);
  });
});

describe('what another process has found', () => {
  it('is adopted at once, and told where it is new', () => {
    const hosts = make();
    const host = hosts.named('a:1');
    for (const found of ['silent', 'failing', undefined, undefined, 'failing'] as const) hosts.adopt(host, found);
    expect(events).toEqual(['down a:1 silent', 'up a:1', 'down a:1 failing']);
  });

  it('counts for none of this process\'s checks', () => {
    const hosts = makeUp();
    const host = hosts.named('a:1');
    for (let i = 0; i < 2; i += 1) hosts.report(host, 'silent');
    hosts.adopt(host, 'failing');
    hosts.adopt(host, undefined);
    for (let i = 0; i < 2; i += 1) hosts.report(host, 'silent');
    expect(events).toEqual(['down a:1 failing', 'up a:1']);
    hosts.report(host, 'silent');
    expect(events).toHaveLength(3);
    hosts.report(host, undefined);
    hosts.adopt(host, 'failing');
    hosts.report(host, undefined);
    expect(host.up).toBe(false);
  });

  it('that a host is up which is up here, says nothing of failures since', () => {
    const hosts = makeUp();
    const host = hosts.named('a:1');
    for (let i = 0; i < 2; i += 1) hosts.report(host, 'silent');
    hosts.adopt(host, undefined);
    hosts.report(host, 'silent');
    expect(events).toEqual(['down a:1 silent']);
  });
});
