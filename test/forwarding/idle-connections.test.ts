import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { startBench, type Bench } from '../support/idle-connections';
import { until } from '../support/until';

/** Lets a host show that it keeps idle connections. */
async function learn(bench: Bench, watch = 4000): Promise<void> {
  expect(await bench.used(20)).toBe(20);
  await bench.pass(watch);
  for (let i = 0; i < 2; i += 1) {
    expect(await bench.used(1)).toBe(1);
    await bench.pass(200);
  }
}

/** Whether a connection is reused that has been idle for so long. */
async function isReusedAfter(bench: Bench, ms: number): Promise<boolean> {
  await bench.used(1);
  await bench.clock.advance(ms);
  await bench.used(1);
  return bench.sockets.at(-1) === bench.sockets.at(-2);
}

it('reuses connections when 20 have stayed open for 4 s, and each within a second', async () => {
  const bench = await startBench();
  await learn(bench);
  // Those that were not watched were not to be kept.
  expect(bench.asked).toEqual([...Array<string>(20).fill('keep-alive'), 'close', 'close']);
  expect(await bench.used(10)).toBe(1);
  expect(await isReusedAfter(bench, 999)).toBe(true);
  expect(await isReusedAfter(bench, 1000)).toBe(false);
});

it('reuses none while fewer have stayed open, or not for so long', async () => {
  const bench = await startBench();
  expect(await bench.used(19)).toBe(19);
  await bench.pass(3800);
  for (let i = 0; i < 10; i += 1) {
    expect(await bench.used(1)).toBe(1);
    await bench.pass(100);
  }
  expect(await bench.used(3)).toBe(3);
});

it('never reuses one again when the host has closed one of those that were watched', async () => {
  const bench = await startBench();
  await bench.used(10);
  bench.sockets[3]?.end();
  await until('it is closed', () => bench.sockets[3]?.closed === true);
  for (let i = 0; i < 3; i += 1) {
    expect(await bench.used(20)).toBe(20);
    await bench.pass(5000);
  }
  expect(new Set(bench.asked.slice(20))).toEqual(new Set(['close']));
});

it('never reuses one again when the host closes one after all, be it hours later', async () => {
  const bench = await startBench();
  await learn(bench);
  expect(await bench.used(10)).toBe(1);
  // In steps, idle connections would be looked at for as long.
  bench.clock.stall(3_600_000);
  expect(await bench.used(10)).toBe(1);
  bench.sockets.at(-1)?.end();
  await until('it is closed', () => bench.sockets.at(-1)?.closed === true);
  expect(await bench.used(10)).toBe(10);
  await bench.pass(10_000);
  expect(await bench.used(10)).toBe(10);
});

it('learns anew of a host that was restarted', async () => {
  const bench = await startBench({ checkInterval: 500 });
  await bench.used(1);
  bench.sockets[0]?.end();
  await until('it is closed', () => bench.sockets[0]?.closed === true);
  await bench.stop();
  await bench.resume();
  await learn(bench);
  expect(await bench.used(10)).toBe(1);
});

it('believes a host that says for how long it keeps them, less half of that', async () => {
  const bench = await startBench();
  bench.says(6);
  await learn(bench);
  expect(await isReusedAfter(bench, 2999)).toBe(true);
  expect(await isReusedAfter(bench, 3000)).toBe(false);
});

it.each([0, 1])('asks a host that says %p s not to keep any', async (timeout) => {
  const bench = await startBench();
  bench.says(timeout);
  expect(await bench.used(5)).toBe(5);
  expect(bench.asked).toEqual(['keep-alive', 'close', 'close', 'close', 'close']);
});

it('reuses them from the first request on where hostKeepAlive says for how long they are kept', async () => {
  const bench = await startBench({ hostKeepAlive: 10_000 });
  expect(await bench.used(10)).toBe(1);
  expect(await isReusedAfter(bench, 4999)).toBe(true);
  expect(await isReusedAfter(bench, 5000)).toBe(false);
});

it('reuses none with a hostKeepAlive of 0', async () => {
  const bench = await startBench({ hostKeepAlive: 0 });
  expect(await bench.used(5)).toBe(5);
  expect(new Set(bench.asked)).toEqual(new Set(['close']));
});

it('ends connections that are not to be kept after a second, where the host does not', async () => {
  const bench = await startBench({ hostKeepAlive: 0 });
  bench.says(60);
  await bench.used(1);
  await bench.pass(800);
  expect(bench.sockets[0]?.readableEnded).toBe(false);
  await bench.pass(400);
  await until('it is closed', () => bench.sockets[0]?.closed === true);
});

it('ends a connection that is too old to be reused, though no other request comes, and trusts the host still', async () => {
  const bench = await startBench({ hostKeepAlive: 10_000 });
  await bench.used(1);
  await bench.pass(4800);
  expect(bench.sockets[0]?.readableEnded).toBe(false);
  await bench.pass(400);
  await until('it is closed', () => bench.sockets[0]?.closed === true);
  expect(await bench.used(5)).toBe(1);
});

it('trusts a host still that closes a connection when it was not to be reused any more', async () => {
  const bench = await startBench({ hostKeepAlive: 10_000 });
  await bench.used(1);
  bench.clock.stall(6000);
  bench.sockets[0]?.end();
  await until('it is closed', () => bench.sockets[0]?.closed === true);
  expect(await bench.used(5)).toBe(1);
});

it('trusts a host still that closes a connection as it has said with the answer', async () => {
  const bench = await startBench({ hostKeepAlive: 60_000 });
  await bench.used(1);
  const answer = await bench.hold();
  await answer({ Connection: 'close' });
  await until('it is closed', () => bench.sockets[1]?.closed === true);
  expect(await bench.used(5)).toBe(1);
});

it('sends no second request on a connection that it has asked to close, though the host would keep it', async () => {
  const bench = await startBench();
  bench.says(60);
  expect(await bench.used(20)).toBe(20);
  const answer = await bench.hold();
  expect(bench.asked.at(-1)).toBe('close');
  const last = bench.sockets.at(-1);
  await bench.pass(4000);
  for (let i = 0; i < 2; i += 1) {
    await bench.used(1);
    await bench.pass(200);
  }
  await answer({ Connection: 'keep-alive' });
  expect(await bench.used(5)).toBe(1);
  expect(bench.sockets.at(-1) === last).toBe(false);
});

it("reuses none that lead to a host's former process, which goes on with them while another one takes its port", async () => {
  const bench = await startBench({ hostKeepAlive: 60_000, checkInterval: 500 });
  const answers = [await bench.hold(), await bench.hold(), await bench.hold()];
  await answers[0]?.();
  await answers[1]?.();
  const former = [...bench.sockets];
  expect(former).toHaveLength(3);
  await bench.stop(true);
  await bench.resume();
  const since = bench.sockets.length;
  await bench.used(1);
  await answers[2]?.();
  await bench.used(3);
  const later = bench.sockets.slice(since);
  expect(new Set(later).size).toBe(1);
  expect(later.some((socket) => former.includes(socket))).toBe(false);
});

it('keeps the idle ones, and trusts the host still, when a client leaves before it is answered', async () => {
  const bench = await startBench({ hostKeepAlive: 60_000 });
  await bench.used(1);
  const leaving = new AbortController();
  const held: ServerResponse[] = [];
  bench.handler = (_, res) => void held.push(res);
  const left = expect(bench.send({ signal: leaving.signal })).rejects.toThrow('aborted');
  await until('it is held', () => held.length === 1);
  const other = bench.send();
  await until('both are held', () => held.length === 2);
  const [, first, second] = bench.sockets as [Socket, Socket, Socket];
  held[1]?.end();
  await other;
  leaving.abort();
  await left;
  await until('it is closed', () => first.closed);
  bench.handler = undefined;
  expect(await bench.used(5)).toBe(1);
  expect(bench.sockets.at(-1)).toBe(second);
});
