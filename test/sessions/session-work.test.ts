import { once } from 'node:events';
import { Bag } from '../../src/base/bag';
import { Copy, createBinding, link, unlink, type SessionWork } from '../../src/sessions/binding';
import { Host } from '../../src/hosts/host';
import { pollUrl, handshake, request } from '../support/http';
import { before, startSessionHost } from '../support/session-host';

it('looks at the work of a session alone when it is ended, however much else is under way', async () => {
  const host = await startSessionHost();
  const { proxy, url } = await before([host]);
  const held = 60;
  const sids = await Promise.all(Array.from({ length: held }, () => handshake(url)));
  const polled = new Promise<void>((resolve) => {
    let count = 0;
    host.on('poll', () => (count += 1) === held && resolve());
  });
  const polls = sids.map((sid) => request(pollUrl(url, sid)).catch(() => undefined));
  await polled;
  let looked = 0;
  const items: unknown = Reflect.get(Object(Object.getOwnPropertyDescriptor(Bag.prototype, 'items')), 'get');
  const counted = jest.spyOn(Bag.prototype, 'items', 'get').mockImplementation(function count(this: unknown) {
    const found = Reflect.apply(items as () => never[], this, []);
    looked += found.length;
    return found;
  });
  for (const sid of sids) expect(await proxy.endSession(sid)).toBe('ended');
  counted.mockRestore();
  // The timer of one sweep may have passed.
  expect(looked).toBeLessThan(held * 5);
  host.answer();
  await Promise.all(polls);
});

it('keeps what is under way of a session in a chain, whatever ends first', () => {
  const binding = createBinding('sid', new Host('a:1'), 60, Copy.Made);
  const works = Array.from({ length: 5 }, (): SessionWork => ({ newer: undefined, older: undefined }));
  const chain = (): number[] => {
    const found: number[] = [];
    for (let work = binding.work; work; work = work.older) found.push(works.indexOf(work));
    return found;
  };
  for (const work of works) link(work, binding);
  expect(chain()).toEqual([4, 3, 2, 1, 0]);
  for (const [at, left] of [[2, [4, 3, 1, 0]], [4, [3, 1, 0]], [0, [3, 1]], [3, [1]], [1, []]] as const) {
    for (const work of works.slice(at, at + 1)) unlink(work, binding);
    expect(chain()).toEqual(left);
  }
});

it('knows a session by its WebSocket while that is open', async () => {
  const host = await startSessionHost();
  const { proxy, url } = await before([host]);
  const sid = await handshake(url);
  const polled = once(host, 'poll');
  const poll = request(pollUrl(url, sid));
  await polled;
  expect(await proxy.findSession(sid)).toMatchObject({ transport: 'polling', open: 1 });
  host.answer();
  await poll;
  expect(await proxy.findSession(sid)).toMatchObject({ transport: undefined, open: 0 });
});
