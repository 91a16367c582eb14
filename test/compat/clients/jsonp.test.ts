import { startHosts } from '../../support/hosts';
import { request } from '../../support/http';
import { startProxy } from '../../support/proxy';

it.each([
  [2, 3], [3, 3], [4, 3], [3, 4], [4, 4],
] as const)('routes a JSONP session: server of version %i, Engine.IO protocol %i', async (version, protocol) => {
  // Polls are answered by the next ping.
  const hosts = await startHosts(2, { version, pingInterval: 200 });
  const { url } = await startProxy({ hosts: hosts.map(({ name }) => name) });
  const base = `${url}/socket.io/?EIO=${protocol}&transport=polling&j=0`;
  const opened = await request(base);
  const payload = JSON.parse(/^___eio\[0\]\((".*")\);?$/.exec(opened.body)?.[1] ?? 'null') as string;
  const { sid } = JSON.parse(/\{[^}]*\}/.exec(payload)?.[0] ?? 'null') as { sid: string };
  // Ten in a row: at random, half of them would miss.
  for (let i = 0; i < 10; i += 1) {
    const packet = protocol === 3 ? '1:2' : '3';
    const posted = await request(`${base}&sid=${sid}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: `d=${encodeURIComponent(packet)}`,
    });
    expect([posted.status, posted.body]).toEqual([200, 'ok']);
  }
  const polled = await request(`${base}&sid=${sid}`);
  expect(polled.body).toMatch(/^___eio\[0\]\(".*"\);?$/);
});
