import { LookUps } from '../../src/sessions/look-ups';
import { pollUrl, request } from '../support/http';
import { stopClock } from '../support/clock';
import { before, startSessionHost } from '../support/session-host';
import { TableStore, type Row } from '../support/table-store';
import { until } from '../support/until';

/** Look-ups of a store that answers when it is told to, and the sids that it was asked for. */
function lookUps(): { lookUps: LookUps; asked: string[]; answer: (host?: string) => void } {
  const asked: string[] = [];
  const waiting: ((host?: string) => void)[] = [];
  const ask = (sid: string): Promise<string | undefined> => {
    asked.push(sid);
    return new Promise((resolve) => waiting.push(resolve));
  };
  return { lookUps: new LookUps(ask), asked, answer: (host) => waiting.splice(0).forEach((resolve) => resolve(host)) };
}

it('asks once for a sid that many ask for, and no more for a moment where the store does not know it', async () => {
  const clock = stopClock();
  const { lookUps: subject, asked, answer } = lookUps();
  const found = Array.from({ length: 100 }, () => subject.find('a'));
  answer();
  expect(new Set(await Promise.all(found))).toEqual(new Set([undefined]));
  expect(await subject.find('a')).toBeUndefined();
  expect(asked).toEqual(['a']);
  await clock.advance(600);
  const later = subject.find('a');
  answer('host');
  expect(await later).toBe('host');
  expect(asked).toEqual(['a', 'a']);
});

it('remembers nothing of what the store knows, and nothing of a failure', async () => {
  const { lookUps: subject, asked, answer } = lookUps();
  const found = subject.find('a');
  answer('host');
  expect(await found).toBe('host');
  void subject.find('a');
  let fails = true;
  const failing = new LookUps(() => fails ? Promise.reject(new Error('CLUSTERDOWN')) : Promise.resolve('host'));
  await expect(failing.find('b')).rejects.toThrow('CLUSTERDOWN');
  fails = false;
  expect(await failing.find('b')).toBe('host');
  expect(asked).toEqual(['a', 'a']);
});

it('forgets that a sid was unknown once it is bound, also while it is being looked up', async () => {
  const { lookUps: subject, asked, answer } = lookUps();
  const known = subject.find('a');
  answer();
  await known;
  subject.forget('a');
  const again = subject.find('a');
  subject.forget('a');
  answer();
  await again;
  void subject.find('a');
  expect(asked).toEqual(['a', 'a', 'a']);
});

it('refuses what is more than 10000 look-ups, and not those that are under way', async () => {
  const { lookUps: subject, answer } = lookUps();
  const found = Array.from({ length: 10_000 }, (_, i) => subject.find(`sid-${i}`));
  await expect(subject.find('one more')).rejects.toThrow('10000 look-ups are under way');
  const joined = subject.find('sid-0');
  answer('host');
  expect(new Set(await Promise.all([...found, joined]))).toEqual(new Set(['host']));
  const later = subject.find('one more');
  answer('host');
  expect(await later).toBe('host');
});

it('a proxy asks its store once for a sid that many requests make up, and counts one that it finds once', async () => {
  const table = new Map<string, Row>();
  const asked: string[] = [];
  let serve = (): void => {};
  const serving = new Promise<void>((resolve) => serve = resolve);
  class SlowStore extends TableStore {
    override async find(sid: string, ttl: number): Promise<string | undefined> {
      asked.push(sid);
      await serving;
      return super.find(sid, ttl);
    }
  }
  const host = await startSessionHost();
  const store = new SlowStore(table);
  await store.bind('there', host.name, 60);
  const { proxy, url } = await before([host], { store, storeTimeout: 20_000 });
  const post = (sid: string): ReturnType<typeof request> => request(pollUrl(url, sid), { method: 'POST', body: '2' });
  const replies = ['made-up', 'there'].map((sid) => Array.from({ length: 20 }, () => post(sid)));
  await until('both are asked for', () => asked.length >= 2);
  serve();
  const statuses = await Promise.all(replies.map(async (each) => (await Promise.all(each)).map(({ status }) => status)));
  expect(statuses.map((each) => new Set(each))).toEqual([new Set([400]), new Set([200])]);
  expect(asked.sort()).toEqual(['made-up', 'there']);
  expect(proxy.hosts[0]?.sessions).toBe(1);
});
